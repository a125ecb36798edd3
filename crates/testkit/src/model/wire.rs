//! HTTP/1.1 as far as a stand-in needs it: one request, one reply, and the ways in which a connection goes wrong.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use rustix::net::sockopt;
use serde_json::Value;

use super::{
    End, Reply, Request,
    speech::{self, Frames},
};

/// The longest body that is read, in bytes.
const LONGEST: usize = 64 << 20;

/// Reads a request; none where the client says nothing that is one.
pub(super) fn read(connection: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length.min(LONGEST)];
    reader.read_exact(&mut body).ok()?;
    Some(Request { path, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}

/// Replies; `hold` returns when the endpoint ends.
pub(super) fn reply(connection: &TcpStream, request: &Request, reply: Reply, hold: &dyn Fn()) -> io::Result<()> {
    match reply {
        Reply::Says(turn) => match speech::frames(&request.path, &turn) {
            Some(frames) => stream(connection, &frames, turn.end, hold),
            None => whole(connection, 404, &[], "no such API"),
        },
        Reply::Status(code, headers, body) => whole(connection, code, &headers, &body),
        Reply::Json(value) => whole(connection, 200, &[("content-type".to_owned(), "application/json".to_owned())], &value.to_string()),
        Reply::Lines(lines, end) => {
            let first = lines.into_iter().map(|line| line + "\n").collect();
            let garbage = "{\"type\":\"answer\", oops\n".to_owned();
            let frames =
                Frames { content_type: "application/x-ndjson", first, last: Vec::new(), garbage, failure: "{\"error\":1}\n".to_owned() };
            stream(connection, &frames, end, hold)
        }
        Reply::Reset => reset(connection),
        Reply::Silence => {
            hold();
            Ok(())
        }
    }
}

fn whole(mut connection: &TcpStream, code: u16, headers: &[(String, String)], body: &str) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {code} Stand-in\r\nconnection: close\r\n");
    // A status without a body has no length either; one that is given may be wrong on purpose.
    if code != 204 && headers.iter().all(|(name, _)| name != "content-length") {
        head += &format!("content-length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    connection.write_all(format!("{head}\r\n{body}").as_bytes())?;
    connection.flush()
}

fn stream(mut connection: &TcpStream, frames: &Frames, end: End, hold: &dyn Fn()) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let head =
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\ncontent-type: {}\r\n\r\n", frames.content_type);
    connection.write_all(head.as_bytes())?;
    let mut send = |frame: &String| connection.write_all(format!("{:x}\r\n{frame}\r\n", frame.len()).as_bytes());
    frames.first.iter().try_for_each(&mut send)?;
    match end {
        End::Whole => frames.last.iter().try_for_each(&mut send)?,
        End::Short => {}
        End::Garbage => send(&frames.garbage)?,
        End::Overloaded => send(&frames.failure)?,
        End::Reset => return reset(connection),
        End::Silence => {
            hold();
            return Ok(());
        }
        End::Endless => loop {
            frames.first.last().map_or_else(|| Err(io::ErrorKind::InvalidInput.into()), &mut send)?;
        },
    }
    connection.write_all(b"0\r\n\r\n")?;
    connection.flush()
}

/// Closing a socket that lingers for no time resets the connection.
fn reset(connection: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_linger(connection, Some(Duration::ZERO))?;
    Ok(())
}

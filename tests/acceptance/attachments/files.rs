//! Attachments from the command line: there, to a command, and back.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use agentbus::{Agent, Bus, Name, Options};
use protocol::Checksum;
use serde_json::{Value, json};
use testkit::Process;

use super::{bytes, echo};
use crate::exec::{Repository, stop};

/// Answers with what its input says of the attachments, with the checksum of the first file, and with what the folder's
/// mode is; and at length.
const LOOK: &str = r#"
read -r line
path=$(printf '%s' "$line" | sed 's/.*"path":"\([^"]*large.bin\)".*/\1/')
printf '%s' "$path" > seen.path
sum=$(sha256sum < "$path" | cut -d' ' -f1)
mode=$(stat -c %a "$(dirname "$path")")
pad=$(head -c 400000 /dev/zero | tr '\0' x)
printf '{"type":"answer","delivery":"Looked.","result":{"sum":"%s","mode":"%s","line":%s,"pad":"%s"}}\n' "$sum" "$mode" "$line" "$pad"
"#;

fn repository() -> Repository {
    let repository = Repository::new();
    repository.script("look.sh", LOOK);
    repository.agent("looker", &["handler: exec", "command: [./look.sh]"]);
    let _ = repository.trust();
    fs::write(repository.path().join("large.bin"), bytes(1, 3 << 20)).expect("a file");
    repository.write("note.txt", "a note\n");
    repository
}

fn url(repository: &Repository, home: &str) -> String {
    let running: Value = serde_json::from_slice(&fs::read(repository.path().join(home).join("bus.json")).expect("it runs")).expect("JSON");
    running["url"].as_str().expect("its address").to_owned()
}

#[test]
fn a_command_finds_the_files_and_a_long_result_is_printed_whole() {
    let repository = repository();
    let up = repository.up();
    let asked =
        ["ask", "--json", "--to", "looker", "--from", "alice", "--attach", "large.bin", "--attach", "./note.txt", "What is in there?"];
    let record = repository.json(&asked);
    let result = &record["answer"]["result"];
    let sum = Checksum::of(&bytes(1, 3 << 20));
    assert_eq!((&record["state"], &result["sum"], &result["mode"]), (&json!("completed"), &json!(sum.token()), &json!("700")));
    assert_eq!(result["pad"].as_str().map(str::len), Some(400_000));
    let told = &result["line"]["attachments"];
    assert_eq!((&told[0]["name"], &told[0]["digest"], &told[1]["name"]), (&json!("large.bin"), &json!(sum), &json!("note.txt")));
    assert!(told[0].get("pieces").is_none() && told[1].get("data").is_none(), "a command gets files: {told}");
    let path = fs::read_to_string(repository.path().join("seen.path")).expect("where the file was");
    assert!(!Path::new(&path).exists(), "{path} is left");

    let id = record["id"].as_str().expect("an id");
    let status = repository.json(&["status", "--json", id]);
    assert!(status["answer"].get("result").is_none() && status["answer"]["result_at"]["size"].as_u64() > Some(400_000), "{status}");
    let fetched = repository.run(&["attachment", id, "result.json"]);
    assert_eq!(serde_json::from_str::<Value>(&fetched.stdout).expect("JSON"), *result);
    let shown = repository.run(&["history", id]).stdout;
    assert!(shown.contains("large.bin, 3.0 MiB; note.txt, 7 B") && shown.contains("result.json"), "{shown}");
    let verified = repository.run(&["verify"]);
    assert!(verified.code == Some(0) && verified.stdout.contains("attached   7 pieces"), "{verified:?}");
    assert!(repository.run(&["doctor"]).stdout.contains("7 pieces"), "doctor looks at the store");
    stop(up);
}

#[test]
fn an_attachment_is_written_to_a_file_whole_or_not_at_all() {
    let repository = repository();
    let up = repository.up();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (bus, serving) = runtime.block_on(async {
        let echoes: Name = "echo".parse().expect("a name");
        let bus = Bus::connect(Options::new(url(&repository, ".agentbus"), echoes.clone())).await.expect("it is there");
        let mut serving = bus.serve(Agent::new(echoes), echo).await.expect("it serves");
        assert!(serving.known().await, "a coordinator knows of it");
        (bus, serving)
    });
    let asked = repository.run(&["ask", "--to", "echo", "--from", "alice", "--attach", "large.bin", "--attach", "note.txt", "Again."]);
    assert!(asked.code == Some(0) && asked.stdout.contains("large.bin, 3.0 MiB"), "{asked:?}");
    let id = repository.json(&["list", "--json"])[0]["id"].as_str().expect("an id").to_owned();
    let listed = repository.json(&["attachment", "--json", &id]);
    let names: Vec<_> = listed.as_array().expect("a list").iter().map(|one| (one["of"].clone(), one["name"].clone())).collect();
    let both = |name| [(json!("query"), json!(name)), (json!("answer"), json!(name))];
    assert!(names.len() == 4 && both("large.bin").iter().chain(&both("note.txt")).all(|one| names.contains(one)), "{names:?}");

    let fetch = |words: &[&str]| repository.run(&[&["attachment", id.as_str(), "large.bin"], words].concat());
    let ambiguous = fetch(&["-o", "back.bin"]);
    assert!(ambiguous.code == Some(64) && ambiguous.stderr.contains("error[ambiguous]"), "{ambiguous:?}");
    let written = fetch(&["--of", "answer", "-o", "back.bin"]);
    assert_eq!(written.code, Some(0), "{written:?}");
    let back = repository.path().join("back.bin");
    assert!(fs::read(&back).expect("a file") == bytes(1, 3 << 20), "it is changed");
    assert_eq!(fs::metadata(&back).expect("a file").permissions().mode() & 0o600, 0o600);
    fs::create_dir(repository.path().join("folder")).expect("a folder");
    assert_eq!(fetch(&["--of", "query", "-o", "folder"]).code, Some(0));
    assert!(repository.path().join("folder/large.bin").exists());
    let missing = repository.run(&["attachment", &id, "nothing"]);
    assert!(missing.code == Some(1) && missing.stderr.contains("error[not_found]"), "{missing:?}");
    let absent = repository.run(&["ask", "--to", "echo", "--attach", "nothing", "Hello"]);
    assert!(absent.code == Some(64) && absent.stderr.contains("error[no_such_file]"), "{absent:?}");
    let folder = repository.run(&["post", "--to", "echo", "--attach", "folder", "Hello"]);
    assert!(folder.code == Some(64) && folder.stderr.contains("error[not_a_file]"), "{folder:?}");

    let kept = repository.run(&["backup", "copy"]);
    assert!(kept.stdout.contains("bus-blobs"), "{kept:?}");
    let erased = repository.run(&["erase", "--yes", &id]);
    assert!(erased.stdout.contains("pieces of attachments"), "{erased:?}");
    assert_eq!(fetch(&["--of", "answer", "-o", "back.bin"]).code, Some(1));
    assert!(fs::read(&back).expect("a file") == bytes(1, 3 << 20), "what was there before stays");
    assert!(repository.run(&["verify"]).stdout.contains("clean"), "what was erased is not missing");
    runtime.block_on(async {
        serving.drain(std::time::Duration::from_secs(5)).await;
        bus.close().await;
    });
    stop(up);

    let restored = repository.run(&["restore", "copy", "--data", "restored"]);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    let again = Process::start(&mut repository.command(&["up", "--data", "restored"]));
    let _ = again.says("Ctrl-C drains");
    let from_copy = fetch(&["--of", "answer", "-o", "copy.bin", "--nats", &url(&repository, "restored")]);
    assert_eq!(from_copy.code, Some(0), "{from_copy:?}");
    assert!(fs::read(repository.path().join("copy.bin")).expect("a file") == bytes(1, 3 << 20), "the copy is changed");
    stop(again);
}

#[test]
fn what_is_missing_or_changed_in_the_store_is_found() {
    let repository = repository();
    let up = repository.up();
    let posted = repository.run(&["post", "--to", "nobody-yet", "--from", "alice", "--attach", "large.bin", "Look."]);
    let id = posted.stdout.trim().parse().expect("an id");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let bus = Bus::connect(Options::new(url(&repository, ".agentbus"), "keeper".parse().expect("a name"))).await.expect("it is there");
        let store = nats::Blobs::of(bus.connection().clone());
        let mut pieces = Vec::new();
        store.verify(false, |piece| pieces.push(piece.checksum)).await.expect("the store is read");
        assert_eq!((pieces.len(), store.erase(id).await.expect("removed")), (6, 6));
        for checksum in pieces.iter().skip(1) {
            store.put(id, checksum, &b"other".to_vec().into()).await.expect("put in its place");
        }
    });
    let report = repository.json(&["verify", "--json"]);
    let codes: Vec<_> = report["findings"].as_array().expect("findings").iter().map(|finding| finding["code"].clone()).collect();
    assert_eq!(codes.iter().filter(|code| **code == json!("attachment_damaged")).count(), 5, "{report:#}");
    assert_eq!(codes.iter().filter(|code| **code == json!("attachment_missing")).count(), 1, "{report:#}");
    stop(up);
}

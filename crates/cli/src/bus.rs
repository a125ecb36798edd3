//! Finding the bus to talk to, and connecting.

use std::path::PathBuf;

use agentbus::{Bus, Name, Options, QueryId};
use serde::Deserialize;

use crate::{
    failure::{Exit, Failure},
    home::Home,
    options::Global,
    printer,
};

/// Where a client looks when it is told nothing and finds nothing.
const DEFAULT: &str = "nats://127.0.0.1:4222";

/// How the bus was found when nothing named one.
const GUESS: &str = "the default";

/// A bus, and how it was found.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) how: &'static str,
    creds: Option<PathBuf>,
    space: Option<String>,
}

impl Place {
    /// Whether nothing named it.
    pub(crate) fn is_guess(&self) -> bool {
        self.how == GUESS
    }
}

/// Connects as `name` to the bus that the options, this directory or the environment name.
pub(crate) async fn connect(global: &Global, name: Name) -> Result<Bus, Failure> {
    let place = find(global)?;
    // The default is a guess, and may be another project's bus: that is said in any case.
    if (printer::is_watched() && place.how != "--nats") || place.is_guess() {
        printer::say(format!("bus: {} ({})", shown(&place.url), place.how));
    }
    join(global, place, name).await
}

/// The same, as another name than a moment ago: says nothing of where the bus is.
pub(crate) async fn reconnect(global: &Global, name: Name) -> Result<Bus, Failure> {
    join(global, find(global)?, name).await
}

/// A connection under the name of whoever asked.
pub(crate) async fn as_requester(global: &Global, id: QueryId) -> Result<Bus, Failure> {
    let reader: Name = "cli".parse().map_err(agentbus::Error::from)?;
    let bus = connect(global, reader).await?;
    let record = bus.status(id).await?;
    if record.requester == *bus.name() {
        return Ok(bus);
    }
    bus.close().await;
    reconnect(global, record.requester).await
}

/// Connects to this bus, and says where it was looked for if that fails.
pub(crate) async fn join(global: &Global, place: Place, name: Name) -> Result<Bus, Failure> {
    let (url, how) = (shown(&place.url), place.how);
    Bus::connect(at(global, place, name)?).await.map_err(|error| {
        if error.code() != "unavailable" {
            return Failure::from(error);
        }
        let hint = "Start a bus with 'agentbus up', or name a running server with --nats URL.";
        Failure::new(Exit::Unreachable, "unavailable", format!("no NATS server answers at {url} ({how})")).hint(hint)
    })
}

/// Why a bus cannot be made on a server that was named.
pub(crate) fn away(error: nats::Error, url: &str) -> Failure {
    if error.kind() != nats::Kind::Unavailable {
        return error.into();
    }
    let hint = "Start that server first, or leave --nats out to have one started here.";
    Failure::new(Exit::Unreachable, "unavailable", format!("no NATS server answers at {} (--nats)", shown(url))).hint(hint)
}

/// How to connect as `name` to the bus that the options, this directory or the environment name.
pub(crate) fn options(global: &Global, name: Name) -> Result<Options, Failure> {
    at(global, find(global)?, name)
}

/// How to connect as `name` to this server.
pub(crate) fn options_at(global: &Global, url: &str, name: Name) -> Result<Options, Failure> {
    at(global, Place { url: url.to_owned(), how: "--nats", creds: None, space: None }, name)
}

/// What was typed wins over what was found.
pub(crate) fn at(global: &Global, place: Place, name: Name) -> Result<Options, Failure> {
    let mut options = Options::new(place.url, name);
    options.space = match (&global.space, place.space) {
        (Some(space), _) => space.clone(),
        (None, Some(space)) => space.parse().map_err(agentbus::Error::from)?,
        (None, None) => agentbus::Space::default(),
    };
    options.creds = global.creds.clone().or(place.creds);
    options.tls_ca.clone_from(&global.tls_ca);
    options.tls_client = match (&global.tls_cert, &global.tls_key) {
        (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
        (None, None) => None,
        _ => return Err(Failure::usage("usage", "--tls-cert and --tls-key go together")),
    };
    Ok(options)
}

/// The bus that the options, this directory or the environment name.
pub(crate) fn find(global: &Global) -> Result<Place, Failure> {
    let place = |url: String, how| Place { url, how, creds: None, space: None };
    if let Some(url) = &global.nats {
        return Ok(place(url.clone(), "--nats"));
    }
    if let Some((home, running)) = Home::nearest() {
        let how = if home.is_here() { "the bus of this directory" } else { "the bus of a directory above" };
        return Ok(Place { space: Some(running.space), ..place(running.url, how) });
    }
    for (variable, how) in [("AGENTBUS_NATS", "AGENTBUS_NATS"), ("NATS_URL", "NATS_URL")] {
        if let Some(url) = std::env::var(variable).ok().filter(|url| !url.is_empty()) {
            return Ok(place(url, how));
        }
    }
    if let Some(context) = context()? {
        return Ok(Place {
            creds: context.creds.filter(|path| !path.as_os_str().is_empty()),
            ..place(context.url, "the NATS CLI context")
        });
    }
    Ok(place(DEFAULT.to_owned(), GUESS))
}

/// A server's URL as it may be shown: without the user and password that may stand in it.
pub(crate) fn shown(url: &str) -> String {
    nats::public(url)
}

/// A context of the NATS CLI: `$XDG_CONFIG_HOME/nats/context/NAME.json`.
#[derive(Deserialize)]
struct Context {
    url: String,
    creds: Option<PathBuf>,
}

fn context() -> Result<Option<Context>, Failure> {
    let config =
        std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")));
    let Some(folder) = config.map(|config| config.join("nats")) else { return Ok(None) };
    let selected = std::env::var("NATS_CONTEXT").ok().or_else(|| std::fs::read_to_string(folder.join("context.txt")).ok());
    let Some(name) = selected.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()) else { return Ok(None) };
    let file = folder.join("context").join(format!("{name}.json"));
    let text = std::fs::read(&file).map_err(|error| Failure::usage("nats_context", format!("{}: {error}", file.display())))?;
    let context: Context =
        serde_json::from_slice(&text).map_err(|error| Failure::usage("nats_context", format!("{}: {error}", file.display())))?;
    Ok(Some(context).filter(|context| !context.url.is_empty()))
}

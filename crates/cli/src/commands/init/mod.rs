//! `agentbus init`: writes a commented `agentbus.toml`. What should do the work of agents that say nothing about it is
//! looked for, chosen and explained; everything else in it is still switched off.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, ErrorKind, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use handlers::detect::{self, Choice};
use roster::Handler;
use rustix::fs::Access;

use crate::{failure::Failure, printer, show};

/// The file's name.
const NAME: &str = "agentbus.toml";

/// What it says. A setting begins with `#` and no space; all other lines are prose.
const TEMPLATE: &str = include_str!("template.toml");

/// Options of `init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where to write it
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// What does the work of agents that say nothing about it. Default: what is found here, a key for a model, Claude
    /// Code or a model's server; without any of them, context
    #[arg(long, value_name = "NAME")]
    handler: Option<Handler>,
    /// Replace the file that is there
    #[arg(long)]
    force: bool,
}

impl Init {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        // As it would be typed: not ./agentbus.toml.
        let file = if self.folder == Path::new(".") { PathBuf::from(NAME) } else { self.folder.join(NAME) };
        // Before looking around: a key need not travel for nothing.
        let place = place(&file, self.force).map_err(|error| self.refused(&file, &error))?;
        let choice = match self.handler {
            Some(handler) => Choice { handler, provider: None, url: None, model: None, why: "you said so".to_owned() },
            None => detect::detect().await,
        };
        write(&place, &chosen(&choice), self.force).map_err(|error| self.refused(&file, &error))?;
        printer::data(file.display().to_string());
        printer::say(show::plain(&format!("agents that say nothing about it are done by {}: {}", choice.handler, choice.why)));
        if choice.handler == Handler::ClaudeCode {
            printer::say("Claude Code can change files and run programs: 'agentbus trust .' shows what these agents may do, and allows it");
        }
        printer::say("everything else is commented out; take the '#' off what you want to change, then: agentbus up");
        Ok(ExitCode::SUCCESS)
    }

    fn refused(&self, file: &Path, error: &io::Error) -> Failure {
        let file = file.display();
        match error.kind() {
            ErrorKind::AlreadyExists => {
                Failure::usage("file_exists", format!("{file} is there already")).hint("Edit it, or replace it with --force.")
            }
            ErrorKind::NotFound => Failure::usage("no_such_folder", format!("there is no folder {}", self.folder.display()))
                .hint("Make it first, or name another folder."),
            _ => Failure::usage("not_written", format!("{file} cannot be written: {error}")).hint("Name a folder that can be written."),
        }
    }
}

/// Where it is to be written, if it may be; changes nothing.
fn place(file: &Path, force: bool) -> io::Result<PathBuf> {
    let place = match fs::symlink_metadata(file) {
        Ok(_) if !force => return Err(ErrorKind::AlreadyExists.into()),
        Ok(_) => {
            OpenOptions::new().write(true).open(file)?;
            fs::canonicalize(file)?
        }
        Err(error) if error.kind() == ErrorKind::NotFound => file.to_owned(),
        Err(error) => return Err(error),
    };
    rustix::fs::access(folder(&place), Access::WRITE_OK | Access::EXEC_OK)?;
    Ok(place)
}

/// Writes it beside and moves it there, so that whoever is interrupted has the old one or the new one.
fn write(place: &Path, text: &str, force: bool) -> io::Result<()> {
    let like = fs::metadata(place).ok().filter(|_| force).map(|old| old.permissions());
    let mut new =
        tempfile::Builder::new().prefix(".agentbus.toml.").permissions(Permissions::from_mode(0o666)).tempfile_in(folder(place))?;
    new.write_all(text.as_bytes())?;
    if let Some(like) = like {
        new.as_file().set_permissions(like)?;
    }
    new.as_file().sync_all()?;
    let moved = if force { new.persist(place) } else { new.persist_noclobber(place) };
    moved.map(drop).map_err(|error| error.error)
}

fn folder(place: &Path) -> &Path {
    place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The template with the choice in it. `context` is what nobody needs to say.
fn chosen(choice: &Choice) -> String {
    if choice.handler == Handler::Context {
        return TEMPLATE.to_owned();
    }
    let text = |value: &str| toml::Value::from(value).to_string();
    // The names of models come from elsewhere, and a comment ends with its line.
    let why: String = choice.why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut lines = format!("# Chosen by init: {why}.\nhandler = {}\n", text(choice.handler.as_str()));
    let mut set = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            lines.push_str(&format!("{key} = {}\n", text(value)));
        }
    };
    set("provider", choice.provider.map(roster::Provider::as_str));
    set("url", choice.url.as_deref());
    set("model", choice.model.as_deref());
    if choice.handler == Handler::Llm && choice.model.is_none() {
        lines.push_str("#model = \"…\"\n");
    }
    TEMPLATE.replacen("#[defaults]\n", "[defaults]\n", 1).replacen("#handler = \"context\"\n", &lines, 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use roster::{Bus, Config, DEFAULT_CAPACITY, DEFAULT_LEASE, Handler};

    /// The template with every setting switched on.
    fn switched_on() -> String {
        let on = |line: &'static str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ') && !rest.is_empty()).unwrap_or(line);
        TEMPLATE.lines().map(on).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join(NAME), folder.path().join("link.toml"));
        let read = || fs::read_to_string(&file).unwrap();
        let fresh = place(&file, false).unwrap();
        assert!(!file.exists(), "a look writes nothing");
        write(&fresh, "old", false).unwrap();
        assert_eq!(place(&file, false).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!((write(&file, "new", false).unwrap_err().kind(), read()), (ErrorKind::AlreadyExists, "old".to_owned()));
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(NAME, &link).unwrap();
        let linked = place(&link, true).unwrap();
        assert_eq!(read(), "old", "while it is looked around, the old one is there");
        write(&linked, "new", true).unwrap();
        assert_eq!((read(), fs::metadata(&file).unwrap().permissions().mode() & 0o777), ("new".to_owned(), 0o640));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "the link is still one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside it");
    }

    #[test]
    fn as_it_is_it_changes_nothing() {
        assert!(TEMPLATE.lines().all(|line| line.is_empty() || line.starts_with('#')));
        let (config, found) = Config::parse(Path::new(NAME), TEMPLATE);
        assert_eq!((config.apply(&mut []), found), (Vec::new(), Vec::new()));
    }

    #[test]
    fn switched_on_it_is_right_and_says_the_true_defaults() {
        let (config, found) = Config::parse(Path::new(NAME), &switched_on());
        assert_eq!(found, Vec::new());
        let mut agents = [roster::parse(Path::new("qa.md"), "---\nname: qa\n---\n").0.unwrap()];
        // The four examples are agents that nobody has, and so is the one that the alias stands for.
        assert_eq!(config.apply(&mut agents).len(), 5);
        let bus = &agents.first().unwrap().bus;
        assert_eq!((bus.handler, bus.capacity(), bus.lease()), (Some(Handler::default()), DEFAULT_CAPACITY, DEFAULT_LEASE));
        assert!(bus.capacity.is_some() && bus.lease.is_some());
    }

    #[test]
    fn what_was_chosen_is_switched_on_and_nothing_else() {
        let choice = Choice {
            handler: Handler::Llm,
            provider: Some(roster::Provider::OpenAi),
            url: Some("http://127.0.0.1:8000/v1".to_owned()),
            model: Some("a\"model\nhandler = \"exec".to_owned()),
            why: "it is\nthere".to_owned(),
        };
        let (config, found) = Config::parse(Path::new(NAME), &chosen(&choice));
        let mut agents = [roster::parse(Path::new("qa.md"), "---\nname: qa\n---\n").0.unwrap()];
        assert_eq!((config.apply(&mut agents), found), (Vec::new(), Vec::new()));
        let bus = &agents.first().unwrap().bus;
        assert_eq!(
            (bus.handler(), bus.provider, bus.url.clone(), bus.model.clone()),
            (Handler::Llm, choice.provider, choice.url, choice.model)
        );
        assert_eq!(bus.capacity, None);
    }

    #[test]
    fn without_anything_the_template_stays_as_it_is() {
        let nothing = Choice { handler: Handler::Context, provider: None, url: None, model: None, why: String::new() };
        assert_eq!(chosen(&nothing), TEMPLATE);
    }

    #[test]
    fn it_shows_every_key_that_there_is() {
        let told = serde_json::from_str::<Bus>("{\"none\": 1}").unwrap_err().to_string();
        let keys: Vec<_> = told.split('`').skip(3).step_by(2).collect();
        assert!(keys.len() > 10, "{told}");
        for key in keys {
            assert!(TEMPLATE.lines().any(|line| line.starts_with(&format!("#{key} = "))), "{key} is not shown");
        }
    }
}

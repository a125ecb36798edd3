//! The prompts of an evaluation: a file with one JSON object a line.

use std::{fs, path::Path};

use agentbus::Name;
use serde::Deserialize;

use crate::failure::{Exit, Failure};

/// The most prompts of one file.
const MOST: usize = 100_000;

/// A prompt whose right answers are known.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prompt {
    /// What is asked.
    pub(super) text: String,
    /// Tags that are asserted with it. Default: none.
    #[serde(default)]
    pub(super) tags: Vec<String>,
    /// Who may be chosen, the best first; empty: nobody should be, by score.
    pub(super) expect: Vec<Name>,
}

/// Reads a file. Empty lines do not count.
pub(super) fn read(path: &Path) -> Result<Vec<Prompt>, Failure> {
    let text =
        fs::read_to_string(path).map_err(|error| Failure::new(Exit::Usage, "unreadable_file", format!("{}: {error}", path.display())))?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let prompts: Vec<_> = lines.take(MOST + 1).map(|(number, line)| parse(path, number, line)).collect::<Result<_, _>>()?;
    match prompts.len() {
        0 => Err(Failure::usage("no_prompts", format!("{} has no prompts", path.display())).hint(SHAPE)),
        many if many > MOST => Err(Failure::usage("too_many_prompts", format!("{} has more than {MOST} prompts", path.display()))),
        _ => Ok(prompts),
    }
}

const SHAPE: &str = "Each line is an object, as in {\"text\": \"Deploy it\", \"tags\": [], \"expect\": [\"devops-engineer\"]}.";

fn parse(path: &Path, number: usize, line: &str) -> Result<Prompt, Failure> {
    let bad = |why: &str| Failure::usage("bad_line", format!("{}, line {number}: {why}", path.display())).hint(SHAPE);
    let prompt: Prompt = serde_json::from_str(line).map_err(|error| {
        let why = error.to_string();
        // It counts the lines of what it was given, which is one.
        bad(why.rsplit_once(" at line ").map_or(why.as_str(), |(why, _)| why))
    })?;
    if prompt.text.trim().is_empty() {
        return Err(bad("the text is empty"));
    }
    Ok(prompt)
}

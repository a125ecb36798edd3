//! The checker: a process that finds out whether an answer is what its query's `reply_schema` wants.
//!
//! A schema is somebody else's. A small one can keep whoever checks by it busy for ever, or fill its stack, so it is never
//! looked at in a process that does anything else. The child gets the schema as a line of JSON, and as a second one the
//! answer, if there is one yet; it prints one line, the verdict. It has 5 s, bounded memory, and nothing of our environment. Only a
//! few run at a time. Next: `llm/reply`, which asks it.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use agentbus::Fault;
use jsonschema::PatternOptions;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
};

/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many children run at a time. More checks wait for their turn, and their 5 s begin with it.
const AT_ONCE: usize = 4;

/// The most of the processor's time that a child takes, in seconds: should nobody be left to end it.
const CPU: u64 = 10;

/// The most memory that a child takes, in bytes: 2 GiB.
const MEMORY: u64 = 2 << 30;

/// The most that a child reads, in bytes: more than any query and answer have.
const MOST_IN: u64 = 128 << 20;

/// The most that is read of what a child prints, in bytes.
const MOST_OUT: u64 = 64 << 10;

/// How many mistakes are listed.
const LISTED: usize = 8;

/// The most of one mistake that is listed, in characters: it quotes what is wrong, which may be all of the answer.
const QUOTED: usize = 300;

/// The most of all mistakes, in characters.
const TOGETHER: usize = 2000;

/// Starts checkers. Clones share the bound on how many run at a time.
#[derive(Clone, Debug)]
pub struct Checker {
    program: PathBuf,
    args: Vec<OsString>,
    turns: Arc<Semaphore>,
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// All is well; so it is where there is no answer yet, and the schema is one.
    Met,
    /// The answer is not what the schema wants: why.
    Unmet(String),
    /// The schema is none: why.
    BadSchema(String),
}

impl Checker {
    /// Checkers that this command line runs; it calls [`run`].
    #[must_use]
    pub fn new(program: PathBuf, args: Vec<OsString>) -> Self {
        Self { program, args, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Checks an answer, or, where there is none, only the schema. Dropping the future ends the child.
    ///
    /// # Errors
    /// `bad_reply_schema` where it takes longer than 5 s, or more memory than there is; `command_not_started`.
    pub(crate) async fn check(&self, schema: &Value, answer: Option<&Value>) -> Result<Verdict, Fault> {
        let lines: String = [Some(schema), answer].into_iter().flatten().map(|line| format!("{line}\n")).collect();
        let bad = |why: &str| Fault::fail("bad_reply_schema", format!("the query's reply_schema {why}"));
        let _turn = self.turns.acquire().await;
        match tokio::time::timeout(PATIENCE, self.ask(&lines)).await {
            Ok(Ok(Some(verdict))) => Ok(verdict),
            Ok(Ok(None)) => Err(bad("cannot be checked: it takes too much")),
            Ok(Err(error)) => Err(Fault::retry("command_not_started", format!("nothing checks the answer here: {error}"))),
            Err(_) => Err(bad("takes longer than 5 s to check")),
        }
    }

    /// The verdict of a child; none where it breaks down.
    async fn ask(&self, lines: &str) -> io::Result<Option<Verdict>> {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.args).env_clear().current_dir("/").kill_on_drop(true);
        // Out of reach of the signals of our terminal.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // One that has broken down does not read: it says nothing, either.
            let _ = input.write_all(lines.as_bytes()).await;
        }
        let mut said = Vec::new();
        if let Some(output) = child.stdout.take() {
            output.take(MOST_OUT).read_to_end(&mut said).await?;
        }
        Ok(said.split(|byte| *byte == b'\n').find_map(|line| serde_json::from_slice(line).ok()))
    }
}

/// Reads a schema, and perhaps an answer, from `input`, and writes the verdict. For a process that does nothing else: it
/// bounds what this process may take.
pub fn run(input: impl Read, mut output: impl Write) {
    bound(Resource::Cpu, CPU);
    #[cfg(target_os = "linux")]
    bound(Resource::As, MEMORY);
    let mut lines = String::new();
    let read = input.take(MOST_IN).read_to_string(&mut lines);
    // Whoever asked sees that nothing is said.
    if let (Ok(_), Some(verdict)) = (read, verdict(&lines)) {
        let _ = serde_json::to_writer(&mut output, &verdict).map_err(io::Error::from).and_then(|()| output.write_all(b"\n"));
    }
}

fn bound(resource: Resource, most: u64) {
    let _ = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
}

/// What is to be said of these lines; none where they are not of ours.
fn verdict(lines: &str) -> Option<Verdict> {
    let mut lines = lines.lines().map(serde_json::from_str::<Value>);
    let (schema, answer) = (lines.next()?.ok()?, lines.next().transpose().ok()?);
    // The patterns are somebody else's, too: the engine that looks around and back could be kept busy for ever.
    let built = jsonschema::options().with_pattern_options(PatternOptions::regex()).build(&schema);
    let validator = match built {
        Ok(validator) => validator,
        Err(error) => return Some(Verdict::BadSchema(cut(&error.to_string(), QUOTED))),
    };
    let Some(answer) = answer else { return Some(Verdict::Met) };
    let mistakes = validator.iter_errors(&answer).take(LISTED).map(|error| {
        let mistake = match error.instance_path().to_string() {
            path if path.is_empty() => error.to_string(),
            path => format!("at {path}: {error}"),
        };
        cut(&mistake, QUOTED)
    });
    let mistakes: Vec<_> = mistakes.collect();
    Some(if mistakes.is_empty() { Verdict::Met } else { Verdict::Unmet(cut(&mistakes.join("; "), TOGETHER)) })
}

/// At most this many characters of a text.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;
    use std::time::Instant;

    /// Says that this program is run as a checker.
    const AS_CHILD: &str = "as-a-checker";

    /// This very program, as a checker.
    pub(crate) fn checker() -> Checker {
        let args = ["--exact", "checker::tests::child", "--nocapture", AS_CHILD].map(OsString::from).to_vec();
        Checker::new(std::env::current_exe().unwrap(), args)
    }

    fn shell(line: &str) -> Checker {
        Checker::new("/bin/sh".into(), ["-c", line].map(OsString::from).to_vec())
    }

    /// A schema and an answer that take for ever: each level doubles what there is to do.
    fn levels() -> (Value, Value) {
        let level = |n: u32| (format!("n{n}"), json!({ "anyOf": vec![json!({ "$ref": format!("#/$defs/n{}", n - 1) }); 2] }));
        let mut levels: serde_json::Map<_, _> = (1..40).map(level).collect();
        levels.insert("n0".to_owned(), json!({ "type": "string" }));
        (json!({ "$defs": levels, "$ref": "#/$defs/n39" }), json!(1))
    }

    /// So does each level of an answer, where a schema leads back to itself twice.
    fn itself() -> (Value, Value) {
        let again = json!({ "type": "array", "items": { "$ref": "#" } });
        (json!({ "anyOf": [again, again] }), (0..60).fold(json!(1), |inner, _| json!([inner])))
    }

    #[test]
    fn child() {
        if std::env::args().any(|arg| arg == AS_CHILD) {
            // The name of the test stands on the line already.
            let mut output = io::stdout().lock();
            output.write_all(b"\n").unwrap();
            run(io::stdin().lock(), output);
        }
    }

    #[rstest::rstest]
    #[case(levels())]
    #[case(itself())]
    #[tokio::test]
    async fn a_schema_without_end_holds_nobody_up(#[case] endless: (Value, Value)) {
        let begun = Instant::now();
        let fault = checker().check(&endless.0, Some(&endless.1)).await.unwrap_err();
        assert_eq!((fault.code(), fault.is_retry()), ("bad_reply_schema", false), "{fault:?}");
        assert!(begun.elapsed() < PATIENCE * 3, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn what_breaks_down_or_is_not_there_has_a_code() {
        let broken = shell("exit 3").check(&json!({}), None).await.unwrap_err();
        assert_eq!((broken.code(), broken.is_retry()), ("bad_reply_schema", false));
        let missing = Checker::new("/nowhere/agentbus".into(), Vec::new()).check(&json!({}), None).await.unwrap_err();
        assert_eq!((missing.code(), missing.is_retry()), ("command_not_started", true));
    }

    #[tokio::test]
    async fn only_a_few_run_at_a_time() {
        let checker = checker();
        let turns = checker.turns.clone().acquire_many_owned(u32::try_from(AT_ONCE).unwrap()).await.unwrap();
        let any = json!({});
        let mut waits = Box::pin(checker.check(&any, None));
        assert!(futures::poll!(&mut waits).is_pending() && checker.turns.available_permits() == 0);
        drop(turns);
        assert_eq!(waits.await.unwrap(), Verdict::Met);
    }

    #[test]
    fn a_mistake_is_cut_however_much_it_quotes() {
        let lines = |answer: Value| format!("{}\n{answer}\n", json!({ "maxProperties": 0, "additionalProperties": { "type": "null" } }));
        let long = "x".repeat(100_000);
        let many: Value = (0..20).map(|n| (n.to_string(), json!(long))).collect::<serde_json::Map<_, _>>().into();
        let Some(Verdict::Unmet(why)) = verdict(&lines(many)) else { unreachable!() };
        assert!(why.chars().count() <= TOGETHER && why.contains('…'), "{}", why.len());
    }
}

//! What Claude Code is told: who it is, what is asked, and what was wrong with an answer.
//!
//! Pure. The query comes from somebody else, and must not be taken for a command of the program's: in a prompt, `/name`
//! at its beginning runs a command of Claude Code, and `@path` reads that file without asking for permission. So the
//! query never stands at the beginning, and every `@` in it is written as an escape.

use std::path::Path;

use agentbus::{Name, Task};
use serde_json::{Value, json};

/// How an `@` is written.
const AT: &str = "\\u0040";

/// The system prompt: the definition's body, and how to behave on a bus.
pub(super) fn system(body: &str, agent: &Name, workdir: &Path) -> String {
    let bus = format!(
        "# On the bus\n\n\
         You are the agent `{agent}` on agentbus, which carries context queries between agents. You work in {workdir}. Each query is \
         one conversation: nobody reads along, and your last message is sent to the requester as the answer, as it stands. So put \
         everything into it that the requester needs, and nothing about the bus itself.\n\n\
         Where these instructions show messages in JSON (context queries, progress reports, notifications), the bus sends \
         them for you, and the values shown are examples: never report them as yours. State only what you have seen or done \
         here; say plainly what you do not know or could not do.\n",
        workdir = workdir.display(),
    );
    let body = body.trim();
    if body.is_empty() { bus } else { format!("{body}\n\n{bus}") }
}

/// The query as a prompt, with the files that came with it.
pub(super) fn query(task: &Task, files: &[Value]) -> String {
    let query = task.query();
    let mut prompt = format!("A query of type `{}` from `{}`:\n\n{}\n", query.request_type, task.requester(), task.text());
    let mut more = query.payload.extra.clone();
    let tags = query.context_tags.iter().map(|tags| ("context_tags", json!(tags)));
    let words = [("domain", &query.domain), ("complexity", &query.complexity), ("intent", &query.intent)];
    let words = words.into_iter().filter_map(|(field, word)| Some((field, json!(word.as_ref()?))));
    more.extend(tags.chain(words).map(|(field, value)| (field.to_owned(), value)));
    if !more.is_empty() {
        prompt.push_str(&format!("\nIt came with: {}\n", Value::Object(more)));
    }
    prompt.push_str(&attached(files));
    if let Some(schema) = &query.reply_schema {
        prompt.push_str(&format!(
            "\nYour last message must be one JSON value, without anything around it, that meets this JSON schema: {schema}\n"
        ));
    }
    tame(&prompt)
}

fn attached(files: &[Value]) -> String {
    if files.is_empty() {
        return String::new();
    }
    let files = Value::from(files);
    format!("\nThese files came with it. Read what you need at its `path`, and say so if you cannot: {files}\n")
}

/// What was wrong with an answer.
pub(super) fn repair(why: &str) -> String {
    tame(&format!(
        "Your last message is not what the requester needs: {why}\n\
         Send it again as one JSON value that meets the schema, without anything around it.\n"
    ))
}

/// A prompt as a line of the program's input.
pub(super) fn line(prompt: &str) -> String {
    json!({ "type": "user", "message": { "role": "user", "content": [{ "type": "text", "text": prompt }] } }).to_string()
}

/// Nothing in it is a file to read.
fn tame(prompt: &str) -> String {
    if !prompt.contains('@') {
        return prompt.to_owned();
    }
    format!("{}\n(In this text, {AT} stands for the character \"at\".)\n", prompt.replace('@', AT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_prompt_names_a_file_to_read() {
        let tamed = tame("A query:\n\nlook at @/etc/hostname and @\"a b\"");
        assert!(!tamed.contains('@') && tamed.contains("at \\u0040/etc/hostname"), "{tamed}");
        assert_eq!(tame("plain"), "plain");
        assert!(!repair("\"@/etc/passwd\" is not a number").contains('@'));
    }

    #[test]
    fn files_are_named_with_their_paths() {
        let told = attached(&[json!({ "name": "a.txt", "path": "/tmp/agentbus-x/a.txt" })]);
        assert!(told.contains("\"/tmp/agentbus-x/a.txt\""), "{told}");
        assert_eq!(attached(&[]), "");
    }

    #[test]
    fn the_definition_comes_first() {
        let agent = "poet".parse().unwrap_or_else(|_| Name::coordinator());
        let prompt = system("You write.\n", &agent, Path::new("/tmp"));
        assert!(prompt.starts_with("You write.\n\n# On the bus") && prompt.contains("the agent `poet`"), "{prompt}");
        assert!(system(" ", &agent, Path::new("/tmp")).starts_with("# On the bus"));
    }
}

//! The attachments of a query, as a model is told of them: a short text in full, anything else by its name.
//!
//! Must never leave a model in the belief that it has seen what it has not: each attachment is named, and where its content is
//! not given, that is said.

use agentbus::{Attachment, Error, Fault, Task};
use serde_json::{Value, json};

/// The longest attachment whose content is given, in bytes: 64 KiB.
const LONGEST: u64 = 64 << 10;

/// How much of all of them is given together, in bytes: 256 KiB.
const MOST: u64 = 256 << 10;

/// Before the list.
const ABOUT: &str =
    "Attachments, in JSON. You are not given those without 'content', and cannot read them; say so if the answer needs one:";

/// What a model is told of them; nothing where there are none.
///
/// # Errors
/// `attachment_missing`, `attachment_damaged` and others of [`Task::fetch`]: an answer must not rest on half of what was sent.
pub(super) async fn told(task: &Task) -> Result<String, Fault> {
    let (mut list, mut left) = (Vec::new(), MOST);
    for attachment in task.attachments() {
        let mut content = None;
        if may_be_text(attachment) && attachment.size <= left {
            let bytes = task.fetch(attachment).await.map_err(|error: Error| Fault::from(error))?;
            content = text(bytes);
        }
        if content.is_some() {
            left = left.saturating_sub(attachment.size);
        }
        list.push(entry(attachment, content));
    }
    Ok(if list.is_empty() { String::new() } else { format!("{ABOUT}\n\n{}", Value::Array(list)) })
}

/// Whether it is worth a look. Of one without a type, its content decides.
fn may_be_text(attachment: &Attachment) -> bool {
    let kind = attachment.media_type.as_deref().map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let is_text = kind.is_none_or(|kind| kind.starts_with("text/") || kind == "application/json" || kind.ends_with("+json"));
    is_text && attachment.size <= LONGEST
}

/// The text in these bytes, if they are one.
fn text(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}');
    (!text.contains(is_odd)).then_some(text)
}

fn entry(attachment: &Attachment, content: Option<String>) -> Value {
    let Attachment { name, size, media_type, .. } = attachment;
    let mut entry = json!({ "name": name, "size": size });
    let more = [("media_type", media_type.clone()), ("content", content)];
    for (field, value) in more.into_iter().filter_map(|(field, value)| Some((field, value?))) {
        if let Some(fields) = entry.as_object_mut() {
            fields.insert(field.to_owned(), value.into());
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(None, 10, true)]
    #[case(Some("text/csv; charset=utf-8"), 10, true)]
    #[case(Some("Application/JSON"), 64 << 10, true)]
    #[case(Some("application/ld+json"), 10, true)]
    #[case(Some("application/json"), (64 << 10) + 1, false)]
    #[case(Some("application/pdf"), 10, false)]
    fn only_short_texts_are_read(#[case] kind: Option<&str>, #[case] size: usize, #[case] read: bool) {
        let attachment = Attachment::inline("a", &vec![b'a'; size]);
        let attachment = kind.map_or(attachment.clone(), |kind| attachment.media_type(kind));
        assert_eq!(may_be_text(&attachment), read);
    }

    #[test]
    fn what_is_no_text_is_named_and_not_given() {
        assert_eq!(text(b"a\tb\n".to_vec()).as_deref(), Some("a\tb\n"));
        assert_eq!((text(vec![0xff, 0xd8]), text(b"a\0b".to_vec())), (None, None));
        let attachment = Attachment::inline("a\" b.txt", b"ab").media_type("text/plain");
        assert_eq!(entry(&attachment, None), json!({ "name": "a\" b.txt", "size": 2, "media_type": "text/plain" }));
        let given = entry(&attachment, Some("a\nb".to_owned()));
        assert_eq!(given["content"], "a\nb");
    }
}

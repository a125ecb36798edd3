//! Text → definition. Whatever a file holds: no panic, every finding points into the file, and an agent that is
//! taken can be announced.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use protocol::schema;
use roster::{Diagnostic, parse};

fuzz_target!(|text: &str| {
    let path = Path::new("agent.md");
    let (definition, findings) = parse(path, text);
    assert_eq!(
        definition.is_none(),
        findings.iter().any(Diagnostic::is_error),
        "a definition exactly if nothing is an error: {findings:?}"
    );
    for finding in &findings {
        let (begin, end) = (finding.place.offset, finding.place.offset + finding.place.len);
        assert!(text.get(begin..end).is_some(), "a finding stands in the file: {finding:?} of {} bytes", text.len());
        assert!(finding.place.line >= 1 && finding.place.column >= 1 && !finding.message.is_empty(), "{finding:?}");
    }
    assert_eq!(parse(path, text), (definition.clone(), findings), "the same file gives the same");
    let Some(definition) = definition else { return };
    let card = serde_json::to_value(definition.card()).expect("a card is JSON");
    assert_eq!(schema::check("card", &card), Ok(()), "{card:#}");
    assert!(text.ends_with(&definition.body) || definition.body.is_empty(), "the body is what follows the front matter");
});

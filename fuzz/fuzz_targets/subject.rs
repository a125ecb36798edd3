//! Text → names and subjects. Whatever text comes: no panic, no two names share a token, and a subject is spelled
//! in one way only.
//!
//! The input is lines; each is tried as a subject, as a token and as a name.

#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use protocol::{InstanceId, Kind, Name, QueryId, Space, Subject, To};

fuzz_target!(|text: &str| {
    let lines: Vec<&str> = text.split('\n').take(16).collect();
    let names: Vec<Name> = lines.iter().filter_map(|line| name(line)).collect();
    let ids: Vec<QueryId> = lines.iter().filter_map(|line| line.parse().ok()).collect();
    for line in &lines {
        subject(line);
        if let Ok(id) = line.parse::<QueryId>() {
            assert_eq!(id.to_string(), *line, "an id has one spelling");
        }
        if let Ok(instance) = line.parse::<InstanceId>() {
            assert_eq!(instance.to_string(), *line);
            plain(line);
        }
    }
    distinct(&names);
    let (Some(id), Some(from)) = (ids.first(), names.first()) else { return };
    for kind in Kind::ALL {
        for to in names.iter().cloned().map(To::One).chain([To::Any, To::All]) {
            if let Ok(made) = Subject::new(kind, *id, from.clone(), to) {
                let spelled = made.in_space(&Space::default());
                assert_eq!(Subject::parse(&Space::default(), &spelled), Ok(made), "{spelled}");
            }
        }
    }
});

/// The line as somebody's name, if it is one; and as a token.
fn name(line: &str) -> Option<Name> {
    if let Ok(name) = Name::from_token(line) {
        assert_eq!(name.token(), line, "a name has one token");
    }
    let name: Name = line.parse().ok()?;
    let token = name.token();
    plain(&token);
    assert_eq!(Name::from_token(&token).as_ref(), Ok(&name));
    Some(name)
}

fn subject(line: &str) {
    let spaces = [Space::default(), line.split('.').next().and_then(|first| first.parse().ok()).unwrap_or_default()];
    for space in spaces {
        if let Ok(subject) = Subject::parse(&space, line) {
            assert_eq!(subject.in_space(&space), line);
            assert_eq!(line.split('.').count(), 5);
            line.split('.').for_each(plain);
        }
    }
}

/// What stands on the wire is one token: no wildcard, no separator, nothing that ends a line.
fn plain(token: &str) {
    assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"=_-".contains(&byte)), "{token:?}");
}

fn distinct(names: &[Name]) {
    let mut whose: HashMap<String, &Name> = HashMap::new();
    for name in names {
        let other = whose.entry(name.token()).or_insert(name);
        assert_eq!(*other, name, "two names share a token");
    }
}

//! One definition file as the bus knows it.
//!
//! Takes the known fields out of the front matter, keeps the others, and reads the body. A
//! definition exists only where its file has no error.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
};

use protocol::{Card, Extra, Name};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    About, Bus, ContextQuery, Diagnostic, Integration, Place, Profile, ProgressExample, body,
    diagnostic::Report,
    read::{self, Fields},
};

/// An agent as its file describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The agent.
    pub name: Name,
    /// The file, or the name under which an embedded text was parsed.
    pub path: PathBuf,
    /// What the agent is for: `description`, or else `short_description`. Empty where neither is given.
    pub description: String,
    /// `short_description`, for lists.
    pub short_description: Option<String>,
    /// The tools that it may use where a handler has tools.
    pub tools: Tools,
    /// The model that its author had in mind.
    pub model: Option<String>,
    /// What makes it do work.
    pub bus: Bus,
    /// When it is the one to ask.
    pub profile: Profile,
    /// Whether it answers only what nobody else does. Default false.
    pub fallback: bool,
    /// The definition whose weights it takes over.
    pub extends: Option<Name>,
    /// The context queries that its body shows.
    pub context_queries: Vec<ContextQuery>,
    /// The progress reports that its body shows. Their values are invented, and are never sent.
    pub progress: Vec<ProgressExample>,
    /// The delivery notification that its body shows. Its figures are invented, and are never sent.
    pub delivery: Option<String>,
    /// The agents that it works with.
    pub integration: Vec<Integration>,
    /// The headings of its sections.
    pub headings: Vec<String>,
    /// What its lists name, one short item each.
    pub items: Vec<String>,
    /// Keys of the front matter that the bus does not know.
    pub extra: Extra,
    /// The text after the front matter: a system prompt, for handlers that take one.
    pub body: String,
    /// SHA-256 of the whole file, in lower-case hex.
    pub digest: String,
    pub(crate) body_at: (usize, usize),
    places: BTreeMap<String, Place>,
}

/// The tools that a definition allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tools {
    /// It says nothing.
    #[default]
    Unsaid,
    /// All of them: `*`.
    All,
    /// These; none, if it is empty.
    Only(Vec<String>),
}

/// Parses one definition. `path` is used in findings only, so that an embedded text can be parsed
/// under any name. There is a definition exactly if none of the findings is an error.
#[must_use]
pub fn parse(path: &Path, text: &str) -> (Option<Definition>, Vec<Diagnostic>) {
    let mut report = Report::new(path);
    let definition = read(path, text, &mut report).filter(|_| !report.has_errors());
    (definition, report.finish())
}

impl Definition {
    /// What a coordinator must know to route to this agent. A weighted profile travels in `profile`, what
    /// the body is about in `about`.
    #[must_use]
    pub fn card(&self) -> Card {
        let mut extra = Extra::new();
        if self.profile.weights.is_some()
            && let Ok(profile) = serde_json::to_value(&self.profile)
        {
            extra.insert(Profile::CARD_FIELD.to_owned(), profile);
        }
        let about = About::of(self);
        if !about.is_empty()
            && let Ok(about) = serde_json::to_value(&about)
        {
            extra.insert(About::CARD_FIELD.to_owned(), about);
        }
        Card {
            agent: self.name.clone(),
            description: self.description.clone(),
            handler: self.bus.handler().to_string(),
            answers: self.bus.answers.iter().flatten().map(|pattern| pattern.as_str().to_owned()).collect(),
            aliases: self.bus.aliases.clone().unwrap_or_default(),
            fallback: self.fallback,
            extra,
        }
    }

    /// Where a key of the front matter stands; the beginning of the file if it is not there.
    #[must_use]
    pub fn place(&self, key: &str) -> Place {
        self.places.get(key).copied().unwrap_or(Place::START)
    }

    /// Reads the integration list again, now that the other agents are known.
    pub(crate) fn find_integration(&mut self, known: &BTreeSet<Name>) {
        self.integration = body::integration(&self.body, self.body_at, known);
        self.integration.retain(|target| target.name != self.name);
    }
}

fn read(path: &Path, text: &str, report: &mut Report) -> Option<Definition> {
    let front = read::split(text, report)?;
    let places = front.entries.iter().map(|entry| (entry.key.clone(), entry.value.place)).collect();
    let mut fields = Fields::new(front.entries, report);
    let name = name(&mut fields, front.place);
    let short_description = fields.text("short_description").map(|(text, _)| text);
    let description = fields.text("description").map(|(text, _)| text);
    let tools = tools(&mut fields);
    let model = fields.text("model").map(|(text, _)| text);
    let bus = Bus::take(&mut fields);
    let profile = Profile::take(&mut fields);
    let fallback = fields.flag("fallback").unwrap_or(false);
    let extends = extends(&mut fields);
    let mut extra = Extra::new();
    while let Some(entry) = fields.next() {
        extra.insert(entry.key, entry.value.to_json());
    }
    let body = body::read(front.body, front.body_at, report);
    let name = name?;
    Some(Definition {
        path: path.to_owned(),
        description: description.or_else(|| short_description.clone()).unwrap_or_default(),
        short_description,
        tools,
        model,
        bus,
        profile,
        fallback,
        extends,
        context_queries: body.context_queries,
        progress: body.progress,
        delivery: body.delivery,
        integration: body.integration.into_iter().filter(|target| target.name != name).collect(),
        headings: body.headings,
        items: body.items,
        extra,
        body: front.body.to_owned(),
        digest: digest(text.as_bytes()),
        body_at: front.body_at,
        places,
        name,
    })
}

fn name(fields: &mut Fields<'_>, front: Place) -> Option<Name> {
    if !fields.has("name") {
        fields.report.error("no_name", front, "the front matter gives no name");
        fields.report.hint("add `name: …`, as in `name: data-engineer`");
        return None;
    }
    let (text, place) = fields.text("name")?;
    parse_name(&text, place, fields)
}

fn extends(fields: &mut Fields<'_>) -> Option<Name> {
    let (text, place) = fields.text("extends")?;
    parse_name(&text, place, fields)
}

fn parse_name(text: &str, place: Place, fields: &mut Fields<'_>) -> Option<Name> {
    let wrong = |why: protocol::NameError| fields.report.error("bad_name", place, why.to_string());
    text.parse().map_err(wrong).ok()
}

fn tools(fields: &mut Fields<'_>) -> Tools {
    if !fields.has("tools") {
        return Tools::Unsaid;
    }
    let tools: Vec<String> = fields.texts("tools").iter().flat_map(|text| divide(text)).collect();
    if tools.iter().any(|tool| tool == "*") { Tools::All } else { Tools::Only(tools) }
}

/// Divides at commas, but not within brackets: `Read, Bash(git add, git commit)` are two tools.
fn divide(text: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let parts = text.split(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

//! What a server offers: tools, resources, and whatever else a client may ask for. Content is in the shape that the
//! protocol gives it, so that it is written as it stands. It never says how a message travels.

use agentbus::{Problem, protocol::Extra};
use futures::future::BoxFuture;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Caller, SessionId};

/// What is served to every client. One value serves all sessions.
pub trait Server: Send + Sync + 'static {
    /// Who serves, and what can be asked for.
    fn about(&self) -> About;

    /// The tools.
    fn tools(&self) -> Vec<Tool>;

    /// Calls a tool; `None` if there is none of this name. Whatever goes wrong is told in the output.
    fn call<'a>(&'a self, tool: &'a str, arguments: Extra, caller: &'a Caller) -> BoxFuture<'a, Option<Output>>;

    /// A session has ended, or was left for too long, and none of its calls is under way any more. It may be one that never
    /// called anything.
    fn left(&self, session: SessionId) {
        let _ = session;
    }

    /// The resources with an address of their own. Default: none.
    fn resources(&self) -> Vec<Resource> {
        Vec::new()
    }

    /// The patterns of further resources. Default: none.
    fn templates(&self) -> Vec<Template> {
        Vec::new()
    }

    /// Reads a resource; `None` if there is none at this address.
    fn read<'a>(&'a self, uri: &'a str) -> BoxFuture<'a, Result<Option<Contents>, Problem>> {
        let _ = uri;
        Box::pin(async { Ok(None) })
    }

    /// Takes note that a client wants to hear of changes of a resource, or no more. Only asked where
    /// [`About::subscribe`] says so.
    fn subscribe(&self, uri: &str, wanted: bool) {
        let _ = (uri, wanted);
    }

    /// The prompts. Default: none.
    fn prompts(&self) -> Vec<Prompt> {
        Vec::new()
    }

    /// A prompt with its arguments filled in; `None` if there is none of this name.
    fn prompt(&self, name: &str, arguments: &Extra) -> Option<Vec<Said>> {
        let _ = (name, arguments);
        None
    }

    /// How an argument may go on that begins so. Default: nothing is known.
    fn complete(&self, argument: &str, begun: &str) -> Vec<String> {
        let _ = (argument, begun);
        Vec::new()
    }
}

/// Who serves, and what can be asked for beside tools and resources.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The server's name, for a program.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What a model should know before it calls a tool.
    pub instructions: String,
    /// Whether it tells a client what it does ([`Caller::log`]).
    pub logging: bool,
    /// Whether it has prompts, and completes their arguments.
    pub prompts: bool,
    /// Whether a client may ask to hear of changes of resources.
    pub subscribe: bool,
}

/// A tool.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// Its name, in `snake_case`.
    pub name: String,
    /// What it does, for a model.
    pub description: String,
    /// The schema of its arguments.
    pub input_schema: Value,
    /// What a client may take for granted of it.
    pub annotations: Value,
}

impl Tool {
    /// A tool whose arguments are described by a type.
    #[must_use]
    pub fn of<T: JsonSchema>(name: &str, description: &str) -> Self {
        // Some clients follow no references within a schema.
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        Self::with(name, description, settings.into_generator().into_root_schema_for::<T>().to_value())
    }

    /// A tool with this schema of its arguments.
    #[must_use]
    pub fn with(name: &str, description: &str, mut input_schema: Value) -> Self {
        if let Some(schema) = input_schema.as_object_mut() {
            schema.remove("title");
            schema.remove("description");
        }
        Self { name: name.to_owned(), description: description.to_owned(), input_schema, annotations: json!({}) }
    }

    /// The same, which changes nothing: a client need not ask anybody before it calls it.
    #[must_use]
    pub fn reads_only(mut self) -> Self {
        self.annotations = json!({ "readOnlyHint": true });
        self
    }
}

/// What a tool gives back.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// For a model.
    pub content: Vec<Content>,
    /// The same for a program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structured_content: Option<Value>,
    /// Whether it went wrong.
    pub is_error: bool,
}

impl Output {
    /// A text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::of(vec![Content::text(text)])
    }

    /// Several pieces.
    #[must_use]
    pub const fn of(content: Vec<Content>) -> Self {
        Self { content, structured_content: None, is_error: false }
    }

    /// The same with the data that the text renders. It must be an object.
    #[must_use]
    pub fn data(mut self, data: Value) -> Self {
        self.structured_content = Some(data);
        self
    }

    /// It went wrong: the problem as text and as data.
    #[must_use]
    pub fn problem(problem: &Problem) -> Self {
        let hint = problem.hint.as_deref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        let text = format!("error: {} ({}){hint}", problem.message, problem.code);
        Self { is_error: true, ..Self::text(text).data(json!({ "error": problem })) }
    }
}

/// A piece of content.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Content {
    /// Words.
    Text {
        /// The words.
        text: String,
    },
    /// A picture.
    Image {
        /// Its bytes in base64.
        data: String,
        /// Its kind, as in `image/png`.
        mime_type: String,
    },
    /// A sound.
    Audio {
        /// Its bytes in base64.
        data: String,
        /// Its kind, as in `audio/wav`.
        mime_type: String,
    },
    /// A resource.
    Resource {
        /// What is in it.
        resource: Contents,
    },
}

impl Content {
    /// Words.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }
}

/// What is in a resource: a text or bytes.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contents {
    /// Its address.
    pub uri: String,
    /// Its kind, as in `application/json`.
    pub mime_type: String,
    /// Its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its bytes in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
}

impl Contents {
    /// A resource of JSON.
    #[must_use]
    pub fn json(uri: &str, value: &impl Serialize) -> Self {
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        Self { uri: uri.to_owned(), mime_type: "application/json".to_owned(), text: Some(text), blob: None }
    }
}

/// A resource that can be read.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Its address.
    pub uri: String,
    /// Its name.
    pub name: String,
    /// What is in it.
    pub description: String,
    /// Its kind.
    pub mime_type: String,
}

/// A pattern of resources.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// The pattern of their addresses.
    pub uri_template: String,
    /// Their name.
    pub name: String,
    /// What is in them.
    pub description: String,
    /// Their kind.
    pub mime_type: String,
}

/// A prompt.
#[derive(Clone, Debug, Serialize)]
pub struct Prompt {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its arguments.
    pub arguments: Vec<Argument>,
}

/// An argument of a prompt.
#[derive(Clone, Debug, Serialize)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Whether the prompt cannot do without it.
    pub required: bool,
}

/// A message of a prompt, as the user would have said it.
#[derive(Clone, Debug, Serialize)]
pub struct Said {
    /// Who says it: `user` or `assistant`.
    pub role: String,
    /// What is said.
    pub content: Content,
}

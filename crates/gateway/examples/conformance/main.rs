//! What the protocol's conformance suite asks a server for, served by the same code as the bus: `tests/conformance.sh`
//! runs the suite against it. Each name and text here is the suite's; nothing here is part of the product.
//!
//! `conformance HOST:PORT` listens there and says where; it ends when its standard input does.

mod asked;

use std::{net::SocketAddr, sync::Arc};

use agentbus::{Problem, protocol::Extra};
use futures::future::BoxFuture;
use gateway::mcp::{About, Argument, Caller, Content, Contents, Output, Prompt, Resource, Said, Server, Template, Tool, http::Door};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

/// A picture of one red pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";

/// A sound of no length.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

/// How long the suite wants a tool to pause between two things that it tells.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).and_then(|address| address.parse::<SocketAddr>().ok());
    let address = address.ok_or_else(|| std::io::Error::other("say where to listen: conformance HOST:PORT"))?;
    let door = Door::open(address, &[]).await?;
    tokio::io::AsyncWriteExt::write_all(&mut tokio::io::stdout(), format!("http://{}/mcp\n", door.address()?).as_bytes()).await?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    let watching = tokio::spawn(async move {
        let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
        told.cancel();
    });
    let served = door.serve(Arc::new(Fixture), stop).await;
    watching.abort();
    served
}

struct Fixture;

impl Server for Fixture {
    fn about(&self) -> About {
        let (name, version) = ("conformance".to_owned(), "1".to_owned());
        About { name, version, instructions: String::new(), logging: true, prompts: true, subscribe: true }
    }

    fn tools(&self) -> Vec<Tool> {
        let none = || json!({ "type": "object", "properties": {} });
        let one = |name: &str| json!({ "type": "object", "properties": { name: { "type": "string" } }, "required": [name] });
        let plain = [
            "test_simple_text",
            "test_image_content",
            "test_audio_content",
            "test_embedded_resource",
            "test_multiple_content_types",
            "test_tool_with_logging",
            "test_tool_with_progress",
            "test_error_handling",
            "test_elicitation_sep1034_defaults",
            "test_elicitation_sep1330_enums",
        ];
        let mut tools: Vec<_> = plain.iter().map(|name| Tool::with(name, "a fixture of the suite", none())).collect();
        tools.push(Tool::with("test_sampling", "a fixture of the suite", one("prompt")));
        tools.push(Tool::with("test_elicitation", "a fixture of the suite", one("message")));
        tools.push(Tool::with("json_schema_2020_12_tool", "a fixture of the suite", asked::rich()));
        tools
    }

    fn call<'a>(&'a self, tool: &'a str, arguments: Extra, caller: &'a Caller) -> BoxFuture<'a, Option<Output>> {
        Box::pin(async move {
            Some(match tool {
                "test_simple_text" => Output::text("This is a simple text response for testing."),
                "test_image_content" => Output::of(vec![image()]),
                "test_audio_content" => Output::of(vec![Content::Audio { data: WAV.to_owned(), mime_type: "audio/wav".to_owned() }]),
                "test_embedded_resource" => {
                    Output::of(vec![resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")])
                }
                "test_multiple_content_types" => Output::of(vec![
                    Content::text("Multiple content types test:"),
                    image(),
                    resource("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
                ]),
                "test_tool_with_logging" => logging(caller).await,
                "test_tool_with_progress" => progress(caller).await,
                "test_error_handling" => Output { is_error: true, ..Output::text("This tool intentionally returns an error for testing") },
                "test_sampling" => answered(asked::sampling(caller, &arguments).await),
                "test_elicitation" => answered(asked::elicitation(caller, &arguments).await),
                "test_elicitation_sep1034_defaults" => answered(asked::defaults(caller).await),
                "test_elicitation_sep1330_enums" => answered(asked::enums(caller).await),
                "json_schema_2020_12_tool" => Output::text("taken"),
                _ => return None,
            })
        })
    }

    fn resources(&self) -> Vec<Resource> {
        let named =
            [("test://static-text", "text/plain"), ("test://static-binary", "image/png"), ("test://watched-resource", "text/plain")];
        let resource = |(uri, mime_type): (&str, &str)| Resource {
            uri: uri.to_owned(),
            name: uri.trim_start_matches("test://").to_owned(),
            description: "a fixture of the suite".to_owned(),
            mime_type: mime_type.to_owned(),
        };
        named.into_iter().map(resource).collect()
    }

    fn templates(&self) -> Vec<Template> {
        vec![Template {
            uri_template: "test://template/{id}/data".to_owned(),
            name: "template".to_owned(),
            description: "a fixture of the suite".to_owned(),
            mime_type: "application/json".to_owned(),
        }]
    }

    fn read<'a>(&'a self, uri: &'a str) -> BoxFuture<'a, Result<Option<Contents>, Problem>> {
        let text = |text: &str| contents(uri, "text/plain", text);
        let found = match uri {
            "test://static-text" => Some(text("This is the content of the static text resource.")),
            "test://watched-resource" => Some(text("Watched.")),
            "test://static-binary" => {
                Some(Contents { uri: uri.to_owned(), mime_type: "image/png".to_owned(), text: None, blob: Some(PNG.to_owned()) })
            }
            _ => uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data")).map(|id| {
                let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
                contents(uri, "application/json", &data.to_string())
            }),
        };
        Box::pin(async { Ok(found) })
    }

    fn prompts(&self) -> Vec<Prompt> {
        let prompt = |name: &str, arguments: &[&str]| Prompt {
            name: name.to_owned(),
            description: "a fixture of the suite".to_owned(),
            arguments: arguments.iter().map(|name| argument(name)).collect(),
        };
        vec![
            prompt("test_simple_prompt", &[]),
            prompt("test_prompt_with_arguments", &["arg1", "arg2"]),
            prompt("test_prompt_with_embedded_resource", &["resourceUri"]),
            prompt("test_prompt_with_image", &[]),
        ]
    }

    fn prompt(&self, name: &str, arguments: &Extra) -> Option<Vec<Said>> {
        let argument = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
        let content = match name {
            "test_simple_prompt" => vec![Content::text("This is a simple prompt for testing.")],
            "test_prompt_with_arguments" => {
                let text = format!("Prompt with arguments: arg1='{}', arg2='{}'", argument("arg1"), argument("arg2"));
                vec![Content::text(text)]
            }
            "test_prompt_with_embedded_resource" => vec![
                resource(argument("resourceUri"), "text/plain", "Embedded resource content for testing."),
                Content::text("Please process the embedded resource above."),
            ],
            "test_prompt_with_image" => vec![image(), Content::text("Please analyze the image above.")],
            _ => return None,
        };
        Some(content.into_iter().map(|content| Said { role: "user".to_owned(), content }).collect())
    }

    fn complete(&self, _: &str, begun: &str) -> Vec<String> {
        ["paris", "park", "party"].into_iter().filter(|word| word.starts_with(begun)).map(str::to_owned).collect()
    }
}

async fn logging(caller: &Caller) -> Output {
    caller.log("info", "Tool execution started".into()).await;
    tokio::time::sleep(PAUSE).await;
    caller.log("info", "Tool processing data".into()).await;
    tokio::time::sleep(PAUSE).await;
    caller.log("info", "Tool execution completed".into()).await;
    Output::text("Logged three times.")
}

async fn progress(caller: &Caller) -> Output {
    caller.progress_of(0, 100, "begun").await;
    tokio::time::sleep(PAUSE).await;
    caller.progress_of(50, 100, "half").await;
    tokio::time::sleep(PAUSE).await;
    caller.progress_of(100, 100, "done").await;
    Output::text("Reported three times.")
}

fn answered(answer: Result<String, Problem>) -> Output {
    answer.map_or_else(|problem| Output::problem(&problem), Output::text)
}

fn image() -> Content {
    Content::Image { data: PNG.to_owned(), mime_type: "image/png".to_owned() }
}

fn contents(uri: &str, mime_type: &str, text: &str) -> Contents {
    Contents { uri: uri.to_owned(), mime_type: mime_type.to_owned(), text: Some(text.to_owned()), blob: None }
}

fn resource(uri: &str, mime_type: &str, text: &str) -> Content {
    Content::Resource { resource: contents(uri, mime_type, text) }
}

fn argument(name: &str) -> Argument {
    Argument { name: name.to_owned(), description: "a fixture of the suite".to_owned(), required: true }
}

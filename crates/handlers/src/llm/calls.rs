//! The tools that a model calls, put together from the pieces of a stream.
//!
//! Pure. genai gives a call's arguments whole each time for Anthropic and Ollama, and piece by piece for OpenAI. Its own gathering is
//! not used: it makes room for as many calls as the endpoint's largest index says.

use genai::chat::ToolCall;
use serde_json::{Map, Value};

/// How many tools a model calls in one turn at most.
pub(super) const MOST: usize = 32;

/// The calls of one turn.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<ToolCall>,
    in_pieces: bool,
}

impl Calls {
    pub(super) const fn new(in_pieces: bool) -> Self {
        Self { calls: Vec::new(), in_pieces }
    }

    /// Takes the next piece; returns by how many bytes the calls have grown.
    pub(super) fn take(&mut self, piece: ToolCall) -> usize {
        let (size, in_pieces) = (length(&piece.fn_arguments), self.in_pieces);
        let Some(call) = self.of(&piece) else {
            self.calls.push(piece);
            return size;
        };
        if !in_pieces {
            let before = length(&call.fn_arguments);
            call.fn_arguments = piece.fn_arguments;
            return size.saturating_sub(before);
        }
        if let (Value::String(arguments), Value::String(more)) = (&mut call.fn_arguments, piece.fn_arguments) {
            arguments.push_str(&more);
        }
        size
    }

    pub(super) const fn len(&self) -> usize {
        self.calls.len()
    }

    /// The calls with their arguments read. Arguments that are no JSON stay a text.
    pub(super) fn into_calls(self) -> Vec<ToolCall> {
        self.calls.into_iter().map(|call| ToolCall { fn_arguments: read(call.fn_arguments), ..call }).collect()
    }

    /// The call that a piece goes on with; none where it begins one.
    fn of(&mut self, piece: &ToolCall) -> Option<&mut ToolCall> {
        let known = self.calls.iter().position(|call| call.call_id == piece.call_id);
        let at = match known {
            Some(at) => at,
            None if !self.in_pieces || !piece.fn_name.is_empty() => return None,
            // A later piece names its call by position only, of which genai makes `call_{index}`.
            None => piece.call_id.strip_prefix("call_").and_then(|at| at.parse().ok()).filter(|at| *at < self.calls.len())?,
        };
        self.calls.get_mut(at)
    }
}

fn length(arguments: &Value) -> usize {
    arguments.as_str().map_or_else(|| arguments.to_string().len(), str::len)
}

fn read(arguments: Value) -> Value {
    match arguments {
        Value::String(text) if text.trim().is_empty() => Value::Object(Map::new()),
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use serde_json::json;

    fn piece(id: &str, name: &str, arguments: Value) -> ToolCall {
        ToolCall { call_id: id.to_owned(), fn_name: name.to_owned(), fn_arguments: arguments, thought_signatures: None }
    }

    #[test]
    fn pieces_go_to_the_call_at_their_position() {
        let mut calls = Calls::new(true);
        for (id, name, arguments) in [
            ("call_s0", "ask", ""),
            ("call_0", "", "{\"a\":"),
            ("call_s1", "ask", ""),
            ("call_1", "", "{\"b\""),
            ("call_0", "", "1}"),
            ("call_1", "", ":2}"),
        ] {
            let _ = calls.take(piece(id, name, json!(arguments)));
        }
        let calls = calls.into_calls();
        assert_eq!((calls.len(), &calls[0].fn_arguments, &calls[1].fn_arguments), (2, &json!({ "a": 1 }), &json!({ "b": 2 })));
    }

    #[test]
    fn a_position_that_is_far_out_makes_no_room() {
        let mut calls = Calls::new(true);
        let _ = calls.take(piece("call_4000000000", "", json!("{}")));
        assert_eq!(calls.len(), 1);
    }

    #[test]
    fn whole_arguments_replace_those_before() {
        let mut calls = Calls::new(false);
        let grown: Vec<_> = ["", "{\"a\"", "{\"a\":1}"].into_iter().map(|text| calls.take(piece("toolu_1", "ask", json!(text)))).collect();
        assert_eq!((grown, calls.len()), (vec![0, 4, 3], 1));
        assert_eq!(calls.into_calls()[0].fn_arguments, json!({ "a": 1 }));
    }

    #[test]
    fn arguments_that_are_none_are_empty_and_broken_ones_stay() {
        let mut calls = Calls::new(false);
        let _ = calls.take(piece("1", "ask", json!("")));
        let _ = calls.take(piece("2", "ask", json!("{oops")));
        let calls = calls.into_calls();
        assert_eq!((&calls[0].fn_arguments, &calls[1].fn_arguments), (&json!({}), &json!("{oops")));
    }
}

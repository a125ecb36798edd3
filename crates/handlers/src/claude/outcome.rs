//! What the end of a turn means for the attempt: an answer with what it cost, or why there is none.
//!
//! Pure. Owns the codes of what fails inside Claude Code; `mod.rs` documents them. Facts are made of nothing here: an
//! answer is what a model wrote.

use agentbus::{
    Done, Fault,
    protocol::{Extra, message::Usage},
};
use serde_json::{Value, json};

use super::{report::cut, stream::Ended};

/// The most that is quoted of what the program says went wrong, in characters.
const QUOTED: usize = 500;

/// The text of an answer; what went wrong, if the turn did not end with one. `trouble` is the last word that the
/// program had for what is wrong with the API; `model` is the one with which the session began.
pub(super) fn text(ended: &Ended, trouble: Option<&str>, model: &str) -> Result<String, Fault> {
    if ended.subtype != "success" {
        return Err(costly(broken_off(ended), ended, model));
    }
    if ended.is_error {
        return Err(costly(refused(ended, trouble), ended, model));
    }
    let text = ended.result.as_deref().unwrap_or_default().trim();
    if text.is_empty() {
        return Err(costly(Fault::fail("no_answer", "Claude Code ended without a text"), ended, model));
    }
    Ok(text.to_owned())
}

/// The answer.
pub(super) fn done(ended: &Ended, model: &str, result: Value) -> Done {
    let usage = usage(ended, model);
    let turns = ended.num_turns.unwrap_or(1);
    let by = usage.model.as_deref().map(|model| format!(", by {model}")).unwrap_or_default();
    let cost = ended.total_cost_usd.map(|cost| format!(", for {cost:.4} USD")).unwrap_or_default();
    let turns = if turns == 1 { "1 turn".to_owned() } else { format!("{turns} turns") };
    let mut done = Done::new(format!("Answered by Claude Code in {turns}{by}{cost}.")).result(result);
    done.usage = Some(usage);
    done
}

/// The same failure with what was spent on it.
pub(super) fn costly(fault: Fault, ended: &Ended, model: &str) -> Fault {
    fault.used(usage(ended, model))
}

/// A turn that did not come to its end.
fn broken_off(ended: &Ended) -> Fault {
    let why = quoted(ended);
    match ended.subtype.as_str() {
        "error_max_turns" => Fault::fail("turns_spent", format!("Claude Code used up its turns{why}"))
            .with("hint", "Raise 'turns' in the definition's bus: block, or ask for less at once."),
        "error_max_budget_usd" => Fault::fail("budget_spent", format!("Claude Code spent what it may{why}")),
        "error_during_execution" => Fault::retry("error_during_execution", format!("Claude Code broke off{why}")),
        "" => Fault::fail("claude_failed", format!("Claude Code ended a turn and does not say how{why}")),
        other => Fault::fail("claude_failed", format!("Claude Code ended with {}{why}", cut(other, 100))),
    }
}

/// The API did not do what it was asked, after all the tries that the program gives it.
fn refused(ended: &Ended, trouble: Option<&str>) -> Fault {
    let why = quoted(ended);
    let status = status(ended);
    let fault = match (trouble.unwrap_or_default(), status) {
        ("authentication_failed" | "oauth_org_not_allowed", _) | (_, Some(401 | 403)) => Fault::fail(
            "bad_key",
            format!("Claude Code may not use the API{why}"),
        )
        .with("hint", "Where the agents run, log in with 'claude', or set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN for the bus."),
        ("billing_error", _) | (_, Some(402)) => Fault::fail("out_of_credit", format!("the API is not paid for{why}")),
        ("rate_limit", _) | (_, Some(429)) => Fault::retry("model_busy", format!("the API takes no more for now{why}")),
        ("overloaded", _) | (_, Some(529)) => Fault::retry("model_busy", format!("the API is overloaded{why}")),
        ("model_not_found", _) => Fault::fail("no_such_model", format!("the API does not have the model{why}")),
        ("max_output_tokens", _) => Fault::fail("answer_cut", format!("the model wrote more than it may at once{why}")),
        ("invalid_request", _) => Fault::fail("model_refused", format!("the API refused what it was sent{why}")),
        (_, Some(408 | 500..)) | ("server_error", _) => Fault::retry("model_unavailable", format!("the API failed{why}")),
        (_, Some(_)) => Fault::fail("model_refused", format!("the API refused what it was sent{why}")),
        (_, None) => Fault::retry("model_unavailable", format!("the API could not be asked{why}")),
    };
    match status {
        Some(status) => fault.with("status", status),
        None => fault,
    }
}

/// The status of the API's error. Versions before 2.1 tell it in words only.
fn status(ended: &Ended) -> Option<u16> {
    let told = || ended.result.as_deref()?.split("API Error: ").nth(1)?.get(..3)?.parse().ok();
    ended.api_error_status.or_else(told).filter(|status| (400..600).contains(status))
}

fn quoted(ended: &Ended) -> String {
    let errors = ended.errors.iter().map(|error| error.as_str().map_or_else(|| error.to_string(), str::to_owned));
    let text = ended.result.clone().into_iter().chain(errors).collect::<Vec<_>>().join("; ");
    if text.is_empty() { text } else { format!(": {}", cut(&text, QUOTED)) }
}

/// What the session cost: all models together, with what was read from the cache.
fn usage(ended: &Ended, model: &str) -> Usage {
    // The numbers are somebody else's.
    let sum = |counts: [u64; 3]| counts.into_iter().fold(0, u64::saturating_add);
    let (mut read, mut written) = (0_u64, 0_u64);
    for usage in ended.models.values() {
        read = read.saturating_add(sum([usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens]));
        written = written.saturating_add(usage.output_tokens);
    }
    if ended.models.is_empty() {
        let tokens = |field: &str| ended.usage.get(field).and_then(Value::as_u64).unwrap_or_default();
        read = sum(["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"].map(tokens));
        written = tokens("output_tokens");
    }
    let models = ended.models.iter().map(|(name, used)| {
        let used = json!({
            "input_tokens": used.input_tokens, "cache_read_input_tokens": used.cache_read_input_tokens,
            "cache_creation_input_tokens": used.cache_creation_input_tokens, "output_tokens": used.output_tokens, "cost_usd": used.cost_usd,
        });
        (name.clone(), used)
    });
    let denied: Vec<Value> = ended.permission_denials.iter().filter_map(|denial| denial.get("tool_name").cloned()).collect();
    let mut extra = Extra::new();
    let mut set = |field: &str, value: Option<Value>| drop(value.map(|value| extra.insert(field.to_owned(), value)));
    set("models", (!ended.models.is_empty()).then(|| Value::Object(models.collect())));
    set("total_cost_usd", ended.total_cost_usd.map(Value::from));
    set("num_turns", ended.num_turns.map(Value::from));
    set("duration_ms", ended.duration_ms.map(Value::from));
    set("session_id", ended.session_id.clone().map(Value::from));
    set("denied_tools", (!denied.is_empty()).then(|| denied.into()));
    let model = Some(model).filter(|model| !model.is_empty()).map(str::to_owned);
    let model = model.or_else(|| ended.models.keys().next().cloned());
    Usage { model, input_tokens: Some(read), output_tokens: Some(written), extra }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn ended(value: Value) -> Ended {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_a_session_cost_is_the_sum_over_its_models() {
        let ended = ended(json!({
            "subtype": "success", "result": " Done. ", "num_turns": 3, "total_cost_usd": 0.0123, "session_id": "s",
            "usage": { "input_tokens": 1, "output_tokens": 1 },
            "modelUsage": {
                "big": { "inputTokens": 10, "cacheReadInputTokens": 100, "cacheCreationInputTokens": 5, "outputTokens": 7, "costUSD": 0.01 },
                "small": { "inputTokens": 2, "outputTokens": 1, "costUSD": 0.0023 },
            },
            "permission_denials": [{ "tool_name": "Bash" }],
        }));
        assert_eq!(text(&ended, None, "big").unwrap(), "Done.");
        let done = done(&ended, "big", json!("Done."));
        let usage = done.usage.unwrap();
        assert_eq!((usage.model.as_deref(), usage.input_tokens, usage.output_tokens), (Some("big"), Some(117), Some(8)));
        assert_eq!((&usage.extra["session_id"], &usage.extra["denied_tools"]), (&json!("s"), &json!(["Bash"])));
        assert_eq!(done.delivery, "Answered by Claude Code in 3 turns, by big, for 0.0123 USD.");
        assert!(done.facts.is_empty());
    }

    #[test]
    fn numbers_without_sense_are_summed_all_the_same() {
        let most = u64::MAX;
        let used = json!({ "inputTokens": most, "cacheReadInputTokens": most, "outputTokens": most });
        let several = usage(&ended(json!({ "modelUsage": { "a": used, "b": used } })), "");
        let last = usage(&ended(json!({ "usage": { "input_tokens": most, "cache_read_input_tokens": 1 } })), "");
        assert_eq!((several.input_tokens, several.output_tokens, last.input_tokens), (Some(most), Some(most), Some(most)));
    }

    #[test]
    fn an_older_version_tells_the_last_turn_only() {
        let ended = ended(json!({ "subtype": "success", "result": "x", "usage": { "input_tokens": 3, "output_tokens": 4 } }));
        let usage = done(&ended, "", json!("x")).usage.unwrap();
        assert_eq!((usage.model, usage.input_tokens, usage.output_tokens), (None, Some(3), Some(4)));
    }

    #[rstest::rstest]
    #[case(json!({ "subtype": "success", "result": "  " }), None, "no_answer", false)]
    #[case(json!({ "subtype": "success" }), None, "no_answer", false)]
    #[case(json!({ "subtype": "error_max_turns", "is_error": true }), None, "turns_spent", false)]
    #[case(json!({ "subtype": "error_during_execution", "is_error": true }), None, "error_during_execution", true)]
    #[case(json!({ "subtype": "error_new_kind", "is_error": true }), None, "claude_failed", false)]
    #[case(json!({ "subtype": "success", "is_error": true, "api_error_status": 401 }), None, "bad_key", false)]
    #[case(json!({ "subtype": "success", "is_error": true }), Some("authentication_failed"), "bad_key", false)]
    #[case(json!({ "subtype": "success", "is_error": true }), Some("billing_error"), "out_of_credit", false)]
    #[case(json!({ "subtype": "success", "is_error": true, "api_error_status": 429 }), Some("rate_limit"), "model_busy", true)]
    #[case(json!({ "subtype": "success", "is_error": true, "api_error_status": 529 }), None, "model_busy", true)]
    #[case(json!({ "subtype": "success", "is_error": true, "api_error_status": 500 }), Some("server_error"), "model_unavailable", true)]
    #[case(json!({ "subtype": "success", "is_error": true, "api_error_status": 400 }), Some("unknown"), "model_refused", false)]
    #[case(json!({ "subtype": "success", "is_error": true }), Some("unknown"), "model_unavailable", true)]
    #[case(json!({ "subtype": "success", "is_error": true, "result": "API Error: 529 {}" }), Some("unknown"), "model_busy", true)]
    #[case(json!({ "subtype": "success", "is_error": true, "result": "API Error: 400 {}" }), Some("unknown"), "model_refused", false)]
    #[case(json!({ "subtype": "success", "is_error": true, "result": "API Error: Unable" }), Some("unknown"), "model_unavailable", true)]
    fn what_goes_wrong_has_a_code(#[case] end: Value, #[case] trouble: Option<&str>, #[case] code: &str, #[case] again: bool) {
        let fault = text(&ended(end), trouble, "m").unwrap_err();
        assert_eq!((fault.code(), fault.is_retry()), (code, again), "{fault:?}");
    }
}

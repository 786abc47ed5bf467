//! The tools of a conversation, as models are told of them.

use crate::domain::agent::{Tool, ToolName};
use crate::domain::fields::Words;
use serde_json::{Value, json};

/// What a model is told of these tools.
pub(super) fn definitions(tools: &[ToolName]) -> Vec<Value> {
    let definition = |tool: &ToolName| json!({"name": tool.word(), "description": tool.description(), "parameters": tool.parameters()});
    tools.iter().map(definition).collect()
}

/// Whether a tool ends the conversation: then the words before it are heard first.
pub(super) fn is_last(tool: &Tool) -> bool {
    match tool {
        Tool::EndCall | Tool::Transfer => true,
        Tool::ReportOutcome(_)
        | Tool::OptOut
        | Tool::ScheduleCallback(_)
        | Tool::SendDigits(_)
        | Tool::Misused(_) => false,
    }
}

//! What is said on a call of the town where an agent talks: recorded conversations, which cost nothing and need no model.

use super::stories::{Manner, Story};
use crate::domain::agent::{Brief, Conclusion, Tool, Verdict, When};
use crate::domain::try_out::Persona;
use chrono::NaiveTime;

/// One step of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    /// The agent says this.
    Agent(String),
    /// The person says this.
    Person(&'static str),
    /// The agent asks for a tool.
    Asks(Tool),
    /// The agent cannot go on.
    Fails(&'static str),
}

/// Who a model plays in place of whoever has this story.
pub(super) fn persona(story: Story) -> Persona {
    let (Story::Person(person) | Story::Muddle(person)) = story else { return Persona::Busy };
    match person.manner {
        Manner::Presses { digit: '1', .. } => Persona::Eager,
        Manner::Presses { digit: '0', .. } => Persona::WantsHuman,
        Manner::Presses { digit: '2', .. } | Manner::HangsUp { .. } => Persona::Hostile,
        Manner::AsksNotToBeCalledAgain { .. } => Persona::StopCalling,
        Manner::HearsOut | Manner::Presses { .. } | Manner::SeesAgentFail => Persona::Busy,
    }
}

/// The conversation with whoever has this story; nobody else talks.
pub(super) fn of(story: Story, brief: &Brief) -> Vec<Act> {
    let manner = match story {
        Story::Person(person) | Story::Muddle(person) => person.manner,
        Story::Fails { .. } | Story::RingsOut | Story::Machine { .. } | Story::Silence | Story::Fated(_) => {
            Manner::HearsOut
        }
    };
    let mut acts = vec![Act::Agent(brief.opening.clone())];
    let reports = |conclusion, reason: &str, answer: Option<&str>| {
        let answers = answer.map(|answer| ("answer".to_owned(), answer.to_owned())).into_iter().collect();
        Act::Asks(Tool::ReportOutcome(Verdict { conclusion, reason: reason.to_owned(), answers }))
    };
    acts.extend(match manner {
        Manner::HearsOut => vec![
            Act::Person("Okay, thank you for letting me know."),
            reports(Conclusion::NoDecision, "The person listened and decided nothing.", None),
        ],
        // They are gone before they answer.
        Manner::HangsUp { .. } => Vec::new(),
        Manner::Presses { digit: '1', .. } => vec![
            Act::Person("Yes, that sounds good."),
            reports(Conclusion::Success, "The person said yes.", Some("yes")),
        ],
        Manner::Presses { digit: '2', .. } => vec![
            Act::Person("No, thank you. I am not interested."),
            reports(Conclusion::Declined, "The person is not interested.", Some("no")),
        ],
        Manner::Presses { digit: '0', .. } => {
            vec![Act::Person("I would like to talk to a person."), Act::Asks(Tool::Transfer)]
        }
        Manner::Presses { .. } => vec![
            Act::Person("This is a bad time. Please call me again tomorrow at ten."),
            Act::Asks(Tool::ScheduleCallback(When::InDays(
                1,
                NaiveTime::from_hms_opt(10, 0, 0).unwrap_or_default(),
            ))),
            reports(Conclusion::Callback, "The person asked to be called again tomorrow at ten.", None),
        ],
        Manner::AsksNotToBeCalledAgain { .. } => {
            vec![Act::Person("Please do not call me again."), Act::Asks(Tool::OptOut)]
        }
        Manner::SeesAgentFail => {
            vec![Act::Person("Hello? Who is this?"), Act::Fails("the simulated agent failed")]
        }
    });
    if manner != Manner::SeesAgentFail {
        acts.extend([Act::Agent(brief.goodbye.clone()), Act::Asks(Tool::EndCall)]);
    }
    acts
}

//! Campaigns and people that there are not, to try everything with. Their numbers are kept for fiction (555 01xx).

use super::invalid::Invalid;
use super::lead::NewLead;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// People of the three campaigns; the first column says whose.
const LEADS: &str = include_str!("fictional.csv");

/// The people cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FictionError {
    /// The table is damaged.
    #[error(transparent)]
    Table(#[from] csv::Error),
    /// One of them is no lead.
    #[error(transparent)]
    Lead(#[from] Invalid),
}

/// The campaigns by the word that stands for them in [`LEADS`]. Open around the clock, so that they call
/// at any hour; tried again after a minute, the shortest delay there is.
pub fn campaigns() -> [(&'static str, Value); 3] {
    let always = json!({
        "status": "draft",
        "calls_per_day": 2000,
        "calling_hours_start": "00:00:00",
        "calling_hours_end": "23:59:59",
        "working_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
        "retry_delay_minutes": 1,
        "max_attempts_per_lead": 3,
        "tags": ["demo"]
    });
    let with = |own: Value| match (always.clone(), own) {
        (Value::Object(mut all), Value::Object(own)) => {
            all.extend(own);
            Value::Object(all)
        }
        (_, own) => own,
    };
    [
        (
            "survey",
            with(json!({
                "name": "Customer survey",
                "description": "How content are customers three months after the line was installed?",
                "priority": "high",
                "system_prompt": "You are Ada, a friendly caller for Northwind Internet. Ask the survey questions one at a time, thank the person and never argue.",
                "script_template": "Hello {customer_name|there}, this is Ada from Northwind Internet with a very short survey. You have had our {plan} plan in {city} for three months now. If you are content with it, you need do nothing; if something is not right, stay on the line and tell us what. Thank you for your time, and have a good day.",
                "success_criteria": "call_completed",
                "cost_per_call": 0.12,
                "budget": 40,
                "budget_alert_threshold": 25
            })),
        ),
        (
            "renewal",
            with(json!({
                "name": "Plan renewal",
                "description": "Customers whose contract ends next month are offered a better one.",
                "priority": "medium",
                "system_prompt": "You are Leo, who looks after contracts at Northwind Internet. Explain the offer once, clearly, and take no for an answer.",
                "script_template": "Hello {name|there}, this is Leo from Northwind Internet in {city}. Your {plan} plan ends next month. You can keep it for another year at ten percent less. Press 1 if you would like that, or 2 if you would not.",
                "fallback_script": "Hello {name|there}, this is Leo from Northwind Internet. Your {plan} plan ends next month; call us back and keep it at ten percent less.",
                "success_criteria": "sale_made",
                "cost_per_call": 0.15
            })),
        ),
        (
            "visit",
            with(json!({
                "name": "Visit reminder",
                "description": "The technician comes this week; a message on the machine is as good as a person.",
                "priority": "low",
                "system_prompt": "You remind people of the technician's visit. Be brief; if they cannot be at home, tell them how to move the visit.",
                "script_template": "Hello {customer_name|there}, this is Northwind Internet. Our technician visits you in {city} on {appointment}. If that does not suit you, please call us. Goodbye.",
                "fallback_script": "Hello {customer_name|there}, Northwind Internet's technician visits you on {appointment}. If that does not suit you, please call us.",
                "success_criteria": "message_left",
                "cost_per_call": 0.08
            })),
        ),
    ]
}

/// The people of one campaign.
pub fn leads(word: &str) -> Result<Vec<NewLead>, FictionError> {
    let mut reader = csv::Reader::from_reader(LEADS.as_bytes());
    let mut leads = Vec::new();
    for row in reader.deserialize::<HashMap<String, String>>() {
        let filled = row?.into_iter().filter(|(_, value)| !value.is_empty());
        let mut row: Map<String, Value> = filled.map(|(name, value)| (name, value.into())).collect();
        if row.remove("campaign").is_some_and(|campaign| campaign == word) {
            let variables = ["city", "plan", "appointment"];
            let variables: Map<String, Value> =
                variables.into_iter().filter_map(|name| Some((name.to_owned(), row.remove(name)?))).collect();
            row.insert("variables".into(), variables.into());
            leads.push(NewLead::read(row.into(), None)?);
        }
    }
    Ok(leads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::campaign::Request;
    use crate::domain::phone;
    use crate::domain::script::Template;
    use std::collections::HashSet;

    #[test]
    fn every_campaign_is_valid_and_its_script_can_be_filled_in_for_every_lead() {
        for (word, body) in campaigns() {
            let settings = Request::read(body, None).unwrap().settings;
            let leads = leads(word).unwrap();
            assert_eq!(leads.len(), 160, "{word}");
            let scripts = [Some(settings.script_template), settings.fallback_script];
            for template in scripts.into_iter().flatten() {
                let template = Template::parse(&template).unwrap();
                for lead in &leads {
                    template.render(&|name| lead.value(name).map(Into::into)).unwrap();
                }
            }
        }
    }

    #[test]
    fn all_numbers_are_fictional_and_none_appears_twice() {
        let leads: Vec<_> = campaigns().iter().flat_map(|(word, _)| leads(word).unwrap()).collect();
        let phones: HashSet<_> = leads.iter().map(|lead| lead.phone).collect();
        assert_eq!(phones.len(), leads.len());
        assert!(phones.iter().all(|phone| phone::fictional_story(*phone).is_some()));
        let stories: HashSet<_> = phones.iter().filter_map(|phone| phone::fictional_story(*phone)).collect();
        assert!((101..=111).all(|story| stories.contains(&story)));
        // 0112 never says another word: it would keep a line of the demo for minutes.
        assert!(!stories.contains(&112));
    }
}

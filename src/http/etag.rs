//! Versions of a resource: `ETag` out, `If-None-Match` and `If-Match` in (RFC 9110 section 13).

use super::answer::Answer;
use crate::domain::campaign::Campaign;
use rocket::Request;
use rocket::http::Status;
use rocket::request::{FromRequest, Outcome};
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::fmt;

/// `"<version>-<revision>"`: the version grows with every edit, the revision with every call. A reader cares
/// for both; an editor must not be refused because a call ended meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    version: i64,
    revision: i64,
}

impl Tag {
    /// The tag of a campaign as it is.
    pub(super) fn of(campaign: &Campaign) -> Tag {
        Tag { version: campaign.version, revision: campaign.totals.revision }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}-{}\"", self.version, self.revision)
    }
}

/// One tag of a list in a header; weak and strong are the same here. A tag that is none of ours matches
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listed {
    version: i64,
    revision: Option<i64>,
}

/// A header that lists tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum List {
    #[default]
    Absent,
    Any,
    Of(Vec<Listed>),
}

impl List {
    fn read<'h>(lines: impl Iterator<Item = &'h str>) -> List {
        let mut list = List::Absent;
        for item in lines.flat_map(|line| line.split(',')).map(str::trim) {
            match &mut list {
                _ if item == "*" => return List::Any,
                List::Of(tags) => tags.extend(listed(item)),
                List::Absent | List::Any => list = List::Of(listed(item).into_iter().collect()),
            }
        }
        list
    }
}

fn listed(item: &str) -> Option<Listed> {
    let tag = item.strip_prefix("W/").unwrap_or(item);
    let tag = tag.strip_prefix('"')?.strip_suffix('"')?;
    match tag.split_once('-') {
        Some((version, revision)) => {
            Some(Listed { version: version.parse().ok()?, revision: Some(revision.parse().ok()?) })
        }
        None => Some(Listed { version: tag.parse().ok()?, revision: None }),
    }
}

/// `If-None-Match`: answer only if it is something new.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct IfNoneMatch {
    list: List,
    lines: Vec<String>,
}

impl IfNoneMatch {
    /// Whether the client has this already.
    pub(super) fn has(&self, tag: Tag) -> bool {
        match &self.list {
            List::Absent => false,
            List::Any => true,
            List::Of(tags) => tags.contains(&Listed { version: tag.version, revision: Some(tag.revision) }),
        }
    }

    /// A resource that is known by its text: with its tag, and without the text where the client has it already.
    pub(super) fn answer(&self, body: String, tag: TextTag) -> Answer {
        let tag = tag.to_string();
        let answer = match items(&self.lines).any(|item| item == "*" || item == tag) {
            true => Answer::not_modified(),
            false => Answer::text(Status::Ok, body),
        };
        answer.with("ETag", tag)
    }
}

/// `If-Match`: change it only if it is still what the client saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct IfMatch {
    list: List,
    lines: Vec<String>,
}

impl IfMatch {
    /// Whether the change may go on.
    pub(super) fn allows(&self, campaign: &Campaign) -> bool {
        match &self.list {
            List::Absent | List::Any => true,
            List::Of(tags) => tags.iter().any(|tag| tag.version == campaign.version),
        }
    }

    /// Whether there is a condition at all.
    pub(super) fn is_there(&self) -> bool {
        self.list != List::Absent
    }

    /// The same for a resource that is known by its text.
    pub(super) fn allows_text(&self, tag: &TextTag) -> bool {
        let start = format!("\"{}-", tag.facts);
        !self.is_there() || items(&self.lines).any(|item| item == "*" || item.starts_with(&start))
    }
}

/// `"<facts>-<text>"`, hashes of what is stored and of the whole answer. The answer also tells what depends on the
/// time, such as why nobody is called now; an editor must not be refused because an hour has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextTag {
    facts: String,
    text: String,
}

impl TextTag {
    /// The tag of an answer, and of the part of it that is stored.
    pub(super) fn of(facts: &str, text: &str) -> TextTag {
        // 64 bits tell the versions of one resource apart.
        let hash =
            |text: &str| Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        TextTag { facts: hash(facts), text: hash(text) }
    }
}

impl fmt::Display for TextTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}-{}\"", self.facts, self.text)
    }
}

/// The tags of a header; weak and strong are the same here.
fn items(lines: &[String]) -> impl Iterator<Item = &str> {
    let items = lines.iter().flat_map(|line| line.split(','));
    items.map(str::trim).map(|item| item.strip_prefix("W/").unwrap_or(item))
}

/// Whether lines of `If-None-Match` name this tag of another kind of resource.
pub(super) fn names<'h>(mut lines: impl Iterator<Item = &'h str>, tag: &str) -> bool {
    lines.any(|line| {
        line.split(',')
            .map(str::trim)
            .any(|item| item == "*" || item.strip_prefix("W/").unwrap_or(item) == tag)
    })
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for IfNoneMatch {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<IfNoneMatch, Infallible> {
        let lines = || request.headers().get("If-None-Match");
        Outcome::Success(IfNoneMatch {
            list: List::read(lines()),
            lines: lines().map(str::to_owned).collect(),
        })
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for IfMatch {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<IfMatch, Infallible> {
        let lines = || request.headers().get("If-Match");
        Outcome::Success(IfMatch { list: List::read(lines()), lines: lines().map(str::to_owned).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(header: &str) -> List {
        List::read(Some(header).into_iter())
    }

    #[test]
    fn a_reader_has_the_campaign_only_if_version_and_revision_are_the_same() {
        let tag = Tag { version: 3, revision: 7 };
        for (header, has) in [
            ("\"3-7\"", true),
            ("W/\"3-7\"", true),
            ("\"1-1\", \"3-7\"", true),
            ("\"a,b\",\"3-7\"", true),
            ("*", true),
            ("\"3-8\"", false),
            ("\"4-7\"", false),
            ("\"3\"", false),
            ("3-7", false),
            ("\"3-7", false),
            ("", false),
            ("\"other\"", false),
        ] {
            let sent = IfNoneMatch { list: list(header), ..IfNoneMatch::default() };
            assert_eq!(sent.has(tag), has, "{header}");
        }
        assert!(!IfNoneMatch::default().has(tag));
    }

    #[test]
    fn an_editor_is_held_back_by_another_edit_and_not_by_a_call() {
        let allows = |header: &str| match list(header) {
            List::Absent | List::Any => true,
            List::Of(tags) => tags.iter().any(|tag| tag.version == 3),
        };
        for (header, allowed) in [
            ("\"3-7\"", true),
            ("\"3-9999\"", true),
            ("W/\"3-7\"", true),
            ("\"3\"", true),
            ("\"2-7\", \"3-7\"", true),
            ("*", true),
            ("\"2-7\"", false),
            ("\"33-7\"", false),
            ("nonsense", false),
            ("", false),
        ] {
            assert_eq!(allows(header), allowed, "{header}");
        }
    }

    #[test]
    fn a_tag_is_a_quoted_pair() {
        assert_eq!(Tag { version: 12, revision: 0 }.to_string(), "\"12-0\"");
    }
}

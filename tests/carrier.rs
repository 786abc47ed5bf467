//! What every carrier must do, whichever driver it is: the same stories, told with the same events. A driver
//! shows how its side is made to play a story, then calls [`keeps_the_port`].

use crate::support::dial_request;
use chrono::TimeDelta;
use tokio::sync::mpsc;
use voice_campaigns::carrier::{Carrier, DialRequest, LegEvents};
use voice_campaigns::domain::Instant;
use voice_campaigns::domain::call::{LegCommand, LegEvent};
use voice_campaigns::domain::outcome::Cause;
use voice_campaigns::domain::phone::Phone;

/// What the other side does. Persons let it ring for at least three seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    /// Picks up, listens, and hangs up after some seconds of silence.
    HearsOut,
    /// Picks up and hangs up after three seconds.
    HangsUp,
    /// A machine that takes a message.
    Machine,
    /// Rings for ever.
    NoAnswer,
    /// Busy.
    Busy,
    /// Refuses the call.
    Rejects,
    /// No such number.
    InvalidNumber,
    /// The carrier cannot.
    CarrierError,
    /// Picks up and asks, while we speak, not to be called again.
    AsksNotToBeCalledAgain,
    /// Listens, then presses 1.
    PressesOne,
    /// Listens, presses 0, and is put through to somebody.
    IsPutThrough,
    /// Listens, presses 0, and nobody is there to be put through to.
    FindsNobody,
}

pub(crate) const STORIES: [Story; 12] = [
    Story::HearsOut,
    Story::HangsUp,
    Story::Machine,
    Story::NoAnswer,
    Story::Busy,
    Story::Rejects,
    Story::InvalidNumber,
    Story::CarrierError,
    Story::AsksNotToBeCalledAgain,
    Story::PressesOne,
    Story::IsPutThrough,
    Story::FindsNobody,
];

/// A driver with a peer that plays stories, on virtual time that runs at life's speed.
pub(crate) trait CarrierUnderTest {
    /// The driver.
    fn carrier(&self) -> &dyn Carrier;
    /// The stories that it can tell.
    fn stories(&self) -> Vec<Story> {
        STORIES.to_vec()
    }
    /// A number at which the peer plays this story.
    fn number_that(&self, story: Story) -> Phone;
    /// Virtual time.
    fn now(&self) -> Instant;
    /// Lets time pass until the driver may have reported something; false when nothing is left to come.
    fn advance(&self) -> bool;
}

/// How a dialer answers a report. The number counts the reports of the call, from 0.
type Dialer = fn(u32, &LegEvent) -> Option<LegCommand>;

/// How long the script of [`talks`] is.
const SPEECH_MS: u64 = 10_000;

/// Speaks when somebody or something picks up, hangs up when it has its answer.
fn talks(_: u32, event: &LegEvent) -> Option<LegCommand> {
    match event {
        LegEvent::Answered | LegEvent::MachineDetected => {
            Some(LegCommand::Speak { text: "Hello.".into(), speech_ms: SPEECH_MS })
        }
        LegEvent::Digit('0') => Some(LegCommand::Transfer { to: Phone::from_e164("+12025550199")? }),
        LegEvent::Digit(_) | LegEvent::OptOutAsked | LegEvent::Transferred | LegEvent::TransferRefused(_) => {
            Some(LegCommand::HangUp)
        }
        LegEvent::Ringing
        | LegEvent::SpeechBegan
        | LegEvent::SpeechEnded
        | LegEvent::RecordingBegan
        | LegEvent::Recorded(_)
        | LegEvent::NotRecorded(_)
        | LegEvent::KeysUnheard(_)
        | LegEvent::Said(_)
        | LegEvent::Asked(_)
        | LegEvent::Turn(_)
        | LegEvent::AgentUsed(_)
        | LegEvent::AgentFailed(_)
        | LegEvent::Judged(_)
        | LegEvent::Ended(..) => None,
    }
}

/// Dials, lets the dialer answer every report, and returns all reports once nothing more comes.
fn play(tested: &dyn CarrierUnderTest, request: DialRequest, dialer: Dialer) -> Vec<(Instant, LegEvent)> {
    let (inbox, mut reports) = mpsc::unbounded_channel();
    let call_id = request.call_id;
    let mut leg = tested.carrier().dial(request, LegEvents::new(call_id, inbox));
    let mut heard = Vec::new();
    loop {
        let more = tested.advance();
        let before = heard.len();
        while let Ok(report) = reports.try_recv() {
            assert_eq!(report.call_id, call_id);
            if let Some(command) = dialer(heard.len() as u32, &report.event) {
                leg.command(command);
            }
            heard.push((report.at, report.event));
        }
        if !more && heard.len() == before {
            return heard;
        }
    }
}

fn request(tested: &dyn CarrierUnderTest, story: Story) -> DialRequest {
    DialRequest {
        call_id: 1000 + story as i64,
        lead_id: 7,
        phone: tested.number_that(story),
        ..dial_request()
    }
}

/// The events without what drivers may differ in: not every carrier tells that it rings or begins to speak, and each has its own
/// words for a failure.
fn normalised(heard: &[(Instant, LegEvent)]) -> Vec<LegEvent> {
    let events = heard.iter().map(|(_, event)| match event {
        LegEvent::Ended(cause, _) => LegEvent::Ended(*cause, None),
        LegEvent::TransferRefused(_) => LegEvent::TransferRefused(String::new()),
        other => other.clone(),
    });
    events.filter(|event| !matches!(event, LegEvent::Ringing | LegEvent::SpeechBegan)).collect()
}

/// Runs the whole suite; `fresh` makes a driver on which nothing was dialed yet.
pub(crate) fn keeps_the_port<T: CarrierUnderTest>(fresh: impl Fn() -> T + Sync) {
    let fresh = &fresh;
    // Side by side, because not every driver's time can be hurried.
    std::thread::scope(|threads| {
        for story in fresh().stories() {
            threads.spawn(move || {
                a_story_is_told_with_its_events(&fresh(), story);
                the_end_is_the_last_thing_reported_and_time_never_goes_back(&fresh(), story);
                a_hang_up_ends_the_leg_whenever_it_comes(&fresh(), story);
            });
        }
        threads.spawn(|| the_ring_timeout_is_kept(&fresh()));
        threads.spawn(|| only_the_last_speech_is_reported_as_heard(&fresh()));
        threads.spawn(|| legs_do_not_disturb_each_other(&fresh()));
    });
}

/// Each story has one sequence of events.
pub(crate) fn a_story_is_told_with_its_events(tested: &dyn CarrierUnderTest, story: Story) {
    use LegEvent::{Answered, Digit, Ended, MachineDetected, OptOutAsked, SpeechEnded, Transferred};
    let remote = Ended(Cause::RemoteHangup, None);
    let local = Ended(Cause::LocalHangup, None);
    let expected = match story {
        Story::HearsOut => vec![Answered, SpeechEnded, remote],
        Story::HangsUp => vec![Answered, remote],
        Story::Machine => vec![Answered, MachineDetected, SpeechEnded, remote],
        Story::NoAnswer => vec![Ended(Cause::NoAnswer, None)],
        Story::Busy => vec![Ended(Cause::Busy, None)],
        Story::Rejects => vec![Ended(Cause::Rejected, None)],
        Story::InvalidNumber => vec![Ended(Cause::InvalidNumber, None)],
        Story::CarrierError => vec![Ended(Cause::CarrierError, None)],
        Story::AsksNotToBeCalledAgain => vec![Answered, OptOutAsked, local],
        Story::PressesOne => vec![Answered, SpeechEnded, Digit('1'), local],
        Story::IsPutThrough => vec![Answered, SpeechEnded, Digit('0'), Transferred, local],
        Story::FindsNobody => {
            vec![Answered, SpeechEnded, Digit('0'), LegEvent::TransferRefused(String::new()), local]
        }
    };
    let heard = play(tested, request(tested, story), talks);
    assert_eq!(normalised(&heard), expected, "{story:?}: {heard:?}");
}

/// Nothing follows the end, even if the leg is still told to do things; a phone rings before it is answered.
pub(crate) fn the_end_is_the_last_thing_reported_and_time_never_goes_back(
    tested: &dyn CarrierUnderTest,
    story: Story,
) {
    let dialed_at = tested.now();
    let heard = play(tested, request(tested, story), |count, event| match event {
        LegEvent::Ended(..) if count % 2 == 0 => {
            Some(LegCommand::Speak { text: "Wait!".into(), speech_ms: 1 })
        }
        LegEvent::Ended(..) => Some(LegCommand::HangUp),
        other => talks(count, other),
    });
    let ends = heard.iter().filter(|(_, event)| matches!(event, LegEvent::Ended(..))).count();
    assert_eq!(ends, 1, "{story:?}: {heard:?}");
    assert!(matches!(heard.last(), Some((_, LegEvent::Ended(..)))), "{story:?}: {heard:?}");
    assert!(heard.is_sorted_by_key(|(at, _)| *at) && heard[0].0 >= dialed_at, "{story:?}: {heard:?}");
    let rang = heard.iter().rposition(|(_, event)| *event == LegEvent::Ringing);
    let answered = heard.iter().position(|(_, event)| *event == LegEvent::Answered);
    assert!(answered.is_none_or(|answered| rang.is_none_or(|rang| rang < answered)), "{story:?}: {heard:?}");
}

/// After a hang-up in answer to any report, the end comes within seconds. A hang-up that crosses the other
/// side's end changes nothing.
pub(crate) fn a_hang_up_ends_the_leg_whenever_it_comes(tested: &dyn CarrierUnderTest, story: Story) {
    const HANG_UP_AT: [Dialer; 4] = [
        |count, event| if count == 0 { Some(LegCommand::HangUp) } else { talks(count, event) },
        |count, event| if count == 1 { Some(LegCommand::HangUp) } else { talks(count, event) },
        |count, event| if count == 2 { Some(LegCommand::HangUp) } else { talks(count, event) },
        |count, event| if count == 3 { Some(LegCommand::HangUp) } else { talks(count, event) },
    ];
    for (count, dialer) in HANG_UP_AT.into_iter().enumerate() {
        let heard = play(tested, request(tested, story), dialer);
        let Some((hung_up_at, event)) = heard.get(count) else { continue };
        let (ended_at, end) = heard.last().unwrap();
        if !matches!(event, LegEvent::Ended(..)) {
            assert_eq!(*end, LegEvent::Ended(Cause::LocalHangup, None), "{story:?} {count}: {heard:?}");
            assert!(*ended_at - hung_up_at <= TimeDelta::seconds(5), "{story:?} {count}: {heard:?}");
        }
        assert!(matches!(end, LegEvent::Ended(..)), "{story:?} {count}: {heard:?}");
    }
}

/// It rings no longer than asked, and somebody who would have picked up later did not.
pub(crate) fn the_ring_timeout_is_kept(tested: &dyn CarrierUnderTest) {
    for (story, seconds) in [(Story::NoAnswer, 15), (Story::NoAnswer, 45), (Story::HearsOut, 2)] {
        let ring_timeout = TimeDelta::seconds(seconds);
        let dialed_at = tested.now();
        let heard = play(tested, DialRequest { ring_timeout, ..request(tested, story) }, talks);
        assert_eq!(normalised(&heard), [LegEvent::Ended(Cause::NoAnswer, None)], "{story:?}: {heard:?}");
        let rang = heard[heard.len() - 1].0 - dialed_at;
        assert!(rang >= ring_timeout && rang <= ring_timeout + TimeDelta::seconds(5), "{story:?}: {rang}");
    }
}

/// A speech that takes the place of another is heard out once, at its own end.
pub(crate) fn only_the_last_speech_is_reported_as_heard(tested: &dyn CarrierUnderTest) {
    let heard = play(tested, request(tested, Story::Machine), talks);
    let at_of = |wanted: LegEvent| {
        let mut found = heard.iter().filter(|(_, event)| *event == wanted).map(|(at, _)| *at);
        let at = found.next();
        assert_eq!(found.next(), None, "{wanted:?} twice: {heard:?}");
        at.unwrap_or_else(|| panic!("no {wanted:?}: {heard:?}"))
    };
    let spoken = at_of(LegEvent::SpeechEnded) - at_of(LegEvent::MachineDetected);
    let late = spoken - TimeDelta::milliseconds(SPEECH_MS as i64);
    // A driver may wait until the machine listens.
    assert!(late >= TimeDelta::seconds(-1) && late < TimeDelta::seconds(6), "{heard:?}");
}

/// All stories at once, on one carrier and into one inbox, come out as they do one by one.
pub(crate) fn legs_do_not_disturb_each_other(tested: &dyn CarrierUnderTest) {
    let (inbox, mut reports) = mpsc::unbounded_channel();
    let stories = tested.stories();
    let mut legs = Vec::new();
    for story in &stories {
        let request = request(tested, *story);
        let call_id = request.call_id;
        while tested.carrier().capacity().next_at.is_some() {
            tested.advance();
        }
        let leg = tested.carrier().dial(request, LegEvents::new(call_id, inbox.clone()));
        legs.push((call_id, leg, Vec::new()));
    }
    loop {
        let more = tested.advance();
        let mut quiet = true;
        while let Ok(report) = reports.try_recv() {
            quiet = false;
            let (_, leg, heard) = legs.iter_mut().find(|(id, ..)| *id == report.call_id).unwrap();
            if let Some(command) = talks(heard.len() as u32, &report.event) {
                leg.command(command);
            }
            heard.push((report.at, report.event));
        }
        if !more && quiet {
            break;
        }
    }
    for (story, (_, _, together)) in stories.into_iter().zip(legs) {
        let alone = play(tested, request(tested, story), talks);
        assert_eq!(normalised(&together), normalised(&alone), "{story:?}");
    }
}

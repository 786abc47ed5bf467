//! What comes without being asked for: requests of calls alive, and people who call us.

use super::dialect::SOURCE;
use super::session_expires;
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Method, StatusCode};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::transaction::Transaction;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Nobody's name is longer.
const USER_MAX: usize = 100;

/// Somebody who calls us and waits for an answer. Dropping it leaves them without one.
pub(in crate::carrier::sip) struct Visitor {
    pub(super) layer: Arc<DialogLayer>,
    pub(super) transaction: Transaction,
    /// Where it came from, as the network says.
    pub(in crate::carrier::sip) source: SocketAddr,
    /// The user parts of who may have been called, the likeliest first.
    pub(in crate::carrier::sip) called: Vec<String>,
    /// The user part of who calls; none where they withhold it.
    pub(in crate::carrier::sip) caller: Option<String>,
    pub(in crate::carrier::sip) offer: Vec<u8>,
    pub(in crate::carrier::sip) session_expires: Option<String>,
}

/// What somebody who calls is told instead of being taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::carrier::sip) enum Status {
    /// 403: nobody we know.
    Forbidden,
    /// 404: nobody has this number.
    NotFound,
    /// 480: not at the moment.
    Unavailable,
    /// 486: no channel is free.
    Busy,
    /// 488: no sound in common.
    NotAcceptable,
}

impl Status {
    pub(super) fn code(self) -> StatusCode {
        match self {
            Status::Forbidden => StatusCode::Forbidden,
            Status::NotFound => StatusCode::NotFound,
            Status::Unavailable => StatusCode::TemporarilyUnavailable,
            Status::Busy => StatusCode::BusyHere,
            Status::NotAcceptable => StatusCode::NotAcceptableHere,
        }
    }
}

impl Visitor {
    /// Sends them away.
    pub(in crate::carrier::sip) fn refuse(self, status: Status) {
        let mut transaction = self.transaction;
        tokio::spawn(async move {
            if let Err(error) = transaction.reply(status.code()).await {
                tracing::debug!(%error, "a call could not be refused");
            }
            // Until they have taken note of it, it is said again.
            while transaction.receive().await.is_some() {}
        });
    }
}

/// Takes in what comes without being asked for: requests of calls alive, and all others, which are declined.
pub(super) async fn receive(
    layer: Arc<DialogLayer>,
    mut incoming: TransactionReceiver,
    to_visitors: mpsc::Sender<Visitor>,
) {
    while let Some(mut transaction) = incoming.recv().await {
        if let Some(mut dialog) = layer.match_dialog(&transaction) {
            tokio::spawn(async move {
                if let Err(error) = dialog.handle(&mut transaction).await {
                    tracing::debug!(%error, "a request of a call failed");
                }
            });
            continue;
        }
        let to = transaction.original.to_header().ok().and_then(|to| to.tag().ok().flatten());
        if transaction.original.method == Method::Invite && to.is_none() {
            let Some(visitor) = visitor(layer.clone(), transaction) else { continue };
            // More than anybody can look at get no answer, and ask again.
            let _ = to_visitors.try_send(visitor);
            continue;
        }
        let status = match transaction.original.method {
            Method::Ack => continue,
            Method::Options => StatusCode::OK,
            _ if to.is_some() => StatusCode::CallTransactionDoesNotExist,
            _ => StatusCode::MethodNotAllowed,
        };
        tokio::spawn(async move {
            if let Err(error) = transaction.reply(status).await {
                tracing::debug!(%error, "a request could not be declined");
            }
        });
    }
}

/// Who calls, and whom; none of a call that comes from nowhere.
fn visitor(layer: Arc<DialogLayer>, transaction: Transaction) -> Option<Visitor> {
    let request = &transaction.original;
    let values = |wanted: &str| {
        let wanted = wanted.to_owned();
        let found = request.headers.iter().filter(move |header| header.name().eq_ignore_ascii_case(&wanted));
        found.map(|header| header.value().to_owned()).collect::<Vec<_>>()
    };
    let source = values(SOURCE).first()?.parse().ok()?;
    let uri = request.uri.to_string();
    let places = [values("P-Called-Party-ID"), vec![uri], values("To")].concat();
    let is_withheld = values("Privacy").iter().any(|value| value.split(';').any(|word| word.trim() == "id"));
    let callers = [values("P-Asserted-Identity"), values("From")].concat();
    let caller = callers.iter().find_map(|place| user_of(place)).filter(|_| !is_withheld);
    Some(Visitor {
        source,
        called: places.iter().filter_map(|place| user_of(place)).collect(),
        caller,
        offer: request.body.clone(),
        session_expires: session_expires(request.session_expires_header()),
        layer,
        transaction,
    })
}

/// The user part of an address, as `"Ada" <sip:+12025550101@example.com;user=phone>` or `tel:+12025550101`.
pub(super) fn user_of(place: &str) -> Option<String> {
    let lower = place.to_ascii_lowercase();
    let (start, ends) = match (lower.find("sip:"), lower.find("sips:"), lower.find("tel:")) {
        (Some(at), _, _) => (at + 4, "@"),
        (None, Some(at), _) => (at + 5, "@"),
        (None, None, Some(at)) => (at + 4, ";>, "),
        (None, None, None) => return None,
    };
    let rest = place.get(start..)?;
    let end = rest.find(|char| ends.contains(char));
    // An address without a user names nobody.
    let user = match (end, ends) {
        (Some(end), _) => &rest[..end],
        (None, "@") => return None,
        (None, _) => rest,
    };
    Some(user.to_owned()).filter(|user| !user.is_empty() && user.len() <= USER_MAX)
}

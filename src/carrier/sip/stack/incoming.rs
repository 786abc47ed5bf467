//! What comes without being asked for: requests of calls alive, and people who call us.

use super::dialect::SOURCE;
use super::session_expires;
use crate::carrier::sip::reading::{Parties, parties};
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Method, StatusCode};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::transaction::Transaction;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;

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
    let headers: Vec<(&str, &str)> =
        request.headers.iter().map(|header| (header.name(), header.value())).collect();
    let (_, source) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(SOURCE))?;
    let source = source.parse().ok()?;
    let Parties { called, caller } = parties(&request.uri.to_string(), &headers);
    Some(Visitor {
        source,
        called,
        caller,
        offer: request.body.clone(),
        session_expires: session_expires(request.session_expires_header()),
        layer,
        transaction,
    })
}

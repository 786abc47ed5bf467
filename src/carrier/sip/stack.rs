//! The SIP stack: the one place that knows the library. What it says of messages never leaves this file, and what
//! leaves it is in our own words.

use super::outcome::{Refusal, q850};
use super::settings::{Settings, Transport, Trunk};
use crate::media::dtmf;
use rsipstack::EndpointBuilder;
use rsipstack::dialog::DialogId;
use rsipstack::dialog::authenticate::Credential;
use rsipstack::dialog::dialog::{
    Dialog, DialogState, DialogStateReceiver, TerminatedReason, TransactionHandle,
};
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::dialog::invitation::InviteOption;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::dialog::registration::Registration;
use rsipstack::platform::CancellationToken;
use rsipstack::sip::prelude::{HasHeaders, HeadersExt};
use rsipstack::sip::{
    self, Header, Method, Response, SipMessage, StatusCode, StatusCodeKind, ToTypedHeader, Uri,
};
use rsipstack::transaction::endpoint::{EndpointInnerRef, EndpointOption, MessageInspector};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transaction::{CallIdFormat, TransactionReceiver, make_tag};
use rsipstack::transport::tcp_listener::TcpListenerConnection;
use rsipstack::transport::tls::{TlsConfig, TlsConnection};
use rsipstack::transport::udp::UdpConnection;
use rsipstack::transport::{SipAddr, SipConnection, TransportLayer};
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;
use std::collections::HashMap;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What we understand.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, NOTIFY";
const SDP: &str = "application/sdp";
/// How often a hang-up is tried while the library is busy with a change of the session.
const BYE_TRIES: usize = 20;
const BYE_PAUSE: Duration = Duration::from_millis(100);
/// How often a refresh is tried again that crossed one of the other side.
const GLARE_TRIES: usize = 3;
const REGISTERED_SECONDS: u32 = 300;
/// Callers that may wait to be looked at.
const VISITORS_MAX: usize = 64;
/// Nobody's name is longer.
const USER_MAX: usize = 100;
/// Where a request came from, written by us alone: what a sender says about itself proves nothing.
const SOURCE: &str = "X-Received-From";

/// What became of an INVITE.
type Asked = rsipstack::Result<(InviteDialog, Option<Response>)>;

tokio::task_local! {
    /// Set when the message that this task sends leaves.
    static ASKING: Arc<AtomicBool>;
}

/// The stack, listening.
pub(super) struct Stack {
    layer: Arc<DialogLayer>,
    endpoint: EndpointInnerRef,
    token: CancellationToken,
    listens: SocketAddr,
    public_ip: Option<IpAddr>,
    /// Where it listens over TCP, if it does.
    bound: SocketAddr,
    has_tcp: AtomicBool,
    secured: Secured,
}

/// A call that is to be made.
pub(super) struct Invite<'t> {
    pub(super) trunk: &'t Trunk,
    pub(super) address: SocketAddr,
    /// The user part of who is called.
    pub(super) callee: String,
    /// The user part of who calls.
    pub(super) caller: String,
    pub(super) offer: String,
}

/// What happens on a call, in our words.
pub(super) enum Signal {
    /// The carrier has the call.
    Trying,
    /// It rings, perhaps with sound.
    Ringing(Option<Vec<u8>>),
    /// Picked up.
    Answered(Answer),
    /// Not put through.
    Refused(Refusal),
    /// Something went wrong; a sentence.
    Failed(String),
    /// The other side wants to change the session.
    Change(Change),
    /// A key, told in a message.
    Key(char),
    /// How far a transfer has come, as the status of the call that the carrier makes for it.
    Transfer(u16),
    /// The other side hung up.
    HungUp,
}

/// What came with the answer.
pub(super) struct Answer {
    pub(super) sdp: Vec<u8>,
    /// The value of `Session-Expires`.
    pub(super) session_expires: Option<String>,
}

/// A change that waits for our reply.
pub(super) struct Change {
    pub(super) sdp: Vec<u8>,
    pub(super) session_expires: Option<String>,
    /// Without a description it asks for ours.
    pub(super) wants_offer: bool,
    reply: TransactionHandle,
}

/// Somebody who calls us and waits for an answer. Dropping it leaves them without one.
pub(super) struct Visitor {
    layer: Arc<DialogLayer>,
    transaction: Transaction,
    /// Where it came from, as the network says.
    pub(super) source: SocketAddr,
    /// The user parts of who may have been called, the likeliest first.
    pub(super) called: Vec<String>,
    /// The user part of who calls; none where they withhold it.
    pub(super) caller: Option<String>,
    pub(super) offer: Vec<u8>,
    pub(super) session_expires: Option<String>,
}

/// What somebody who calls is told instead of being taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
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
    fn code(self) -> StatusCode {
        match self {
            Status::Forbidden => StatusCode::Forbidden,
            Status::NotFound => StatusCode::NotFound,
            Status::Unavailable => StatusCode::TemporarilyUnavailable,
            Status::Busy => StatusCode::BusyHere,
            Status::NotAcceptable => StatusCode::NotAcceptableHere,
        }
    }
}

/// Ports that are looked at where any will do.
const PORTS_TRIED: usize = 50;

/// A port for datagrams; where any will do, one that is free for connections as well.
async fn listen(
    at: SocketAddr,
    public: Option<SocketAddr>,
    token: &CancellationToken,
) -> Result<UdpConnection, String> {
    let problem = |error: &dyn Display| format!("sip.listen: cannot listen on {at}: {error}");
    for _ in 0..PORTS_TRIED {
        let udp = UdpConnection::create_connection(at, public, Some(token.child_token())).await;
        let udp = udp.map_err(|error| problem(&error))?;
        let port = udp.get_addr().get_socketaddr().map_err(|error| problem(&error))?.port();
        if at.port() != 0 || TcpListener::bind((at.ip(), port)).is_ok() {
            return Ok(udp);
        }
    }
    Err(problem(&"no port is free for datagrams and connections"))
}

fn cannot_listen_over_tcp(at: SocketAddr, error: impl Display) -> String {
    format!("sip.listen: cannot listen over TCP on {at}: {error}")
}

/// A call that was asked for, or that was taken.
pub(super) struct Outgoing {
    layer: Arc<DialogLayer>,
    dialog: InviteDialog,
    states: DialogStateReceiver,
    /// Until the final answer.
    answer: Option<JoinHandle<Asked>>,
    id: Option<DialogId>,
}

impl Stack {
    /// Listens; over TCP as well where a trunk speaks it.
    pub(super) async fn start(
        settings: &Settings,
        trunks: &[Trunk],
    ) -> Result<(Stack, mpsc::Receiver<Visitor>), String> {
        let token = CancellationToken::new();
        let transports = TransportLayer::new(token.clone());
        let public = settings.public_ip.map(|ip| SocketAddr::new(ip, settings.listen.port()));
        let udp = listen(settings.listen, public, &token).await?;
        let listens = udp.get_addr().get_socketaddr().map_err(|error| error.to_string())?;
        transports.add_transport(udp.into());
        let bound = SocketAddr::new(settings.listen.ip(), listens.port());
        // Whoever takes any port gets both halves of it at once, before somebody else takes the other one.
        let has_tcp =
            settings.listen.port() == 0 || trunks.iter().any(|trunk| trunk.transport == Transport::Tcp);
        if has_tcp {
            // The library only logs that it cannot.
            TcpListener::bind(bound).map_err(|error| cannot_listen_over_tcp(bound, error))?;
            let tcp = TcpListenerConnection::new(bound, Some(public.unwrap_or(listens))).await;
            transports.add_transport(SipConnection::TcpListener(tcp.map_err(|error| error.to_string())?));
        }
        let option = EndpointOption { callid_format: CallIdFormat::Uuid, ..EndpointOption::default() };
        let endpoint = EndpointBuilder::new()
            .with_cancel_token(token.clone())
            .with_transport_layer(transports)
            .with_user_agent(concat!("voice-campaigns/", env!("CARGO_PKG_VERSION")))
            .with_option(option)
            .with_inspector(Box::new(Dialect))
            .build();
        let incoming = endpoint.incoming_transactions().map_err(|error| error.to_string())?;
        let inner = endpoint.inner.clone();
        let layer = Arc::new(DialogLayer::new(inner.clone()));
        tokio::spawn(async move { endpoint.serve().await });
        let (to_visitors, visitors) = mpsc::channel(VISITORS_MAX);
        tokio::spawn(receive(layer.clone(), incoming, to_visitors));
        let (has_tcp, secured) = (AtomicBool::new(has_tcp), Secured::default());
        let public_ip = settings.public_ip;
        Ok((Stack { layer, endpoint: inner, token, listens, public_ip, bound, has_tcp, secured }, visitors))
    }

    /// Listens over TCP as well, if it does not yet. The error is a sentence.
    pub(super) async fn listen_over_tcp(&self) -> Result<(), String> {
        if self.has_tcp.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let public = self.public_ip.map(|ip| SocketAddr::new(ip, self.listens.port()));
        let transports = &self.endpoint.transport_layer;
        let listening = async {
            let tcp = TcpListenerConnection::new(self.bound, Some(public.unwrap_or(self.listens))).await?;
            tcp.serve_listener(transports.inner.clone()).await?;
            transports.add_transport(SipConnection::TcpListener(tcp));
            Ok::<_, rsipstack::Error>(())
        };
        listening.await.map_err(|error| {
            self.has_tcp.store(false, Ordering::Relaxed);
            cannot_listen_over_tcp(self.bound, error)
        })
    }

    /// Falls silent.
    pub(super) fn stop(&self) {
        self.token.cancel();
    }

    /// Our address as this carrier sees it.
    pub(super) fn address_towards(&self, carrier: SocketAddr) -> IpAddr {
        let of_route = || {
            let any: SocketAddr = if carrier.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
            let socket = UdpSocket::bind(any).ok()?;
            socket.connect(carrier).ok()?;
            socket.local_addr().ok().map(|address| address.ip())
        };
        self.public_ip.or_else(of_route).unwrap_or(self.listens.ip())
    }

    fn contact(&self, trunk: &Trunk, carrier: SocketAddr) -> Result<Uri, String> {
        let user = trunk.username.as_deref().unwrap_or("campaigns");
        let address = SocketAddr::new(self.address_towards(carrier), self.listens.port());
        let transport = match trunk.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
        };
        uri(&format!("sip:{user}@{address}{transport}"))
    }

    /// Makes sure that there is a way to a carrier that nobody else reads, where it is to be so. What comes from the
    /// carrier comes over the same way.
    async fn secure(&self, trunk: &Trunk, address: SocketAddr) -> Result<(), String> {
        if trunk.transport != Transport::Tls || self.secured.is_to(trunk, address)? {
            return Ok(());
        }
        let token = self.token.child_token();
        let connection = self.secured.connect(trunk, destination(trunk, address), token.clone()).await?;
        self.endpoint.transport_layer.add_connection(connection);
        self.secured.keep(trunk, address, token);
        Ok(())
    }

    /// Asks for a call; ends when the INVITE has left. Given up before, it never leaves.
    pub(super) async fn invite(&self, invite: Invite<'_>) -> Result<Outgoing, String> {
        let Invite { trunk, address, callee, caller, offer } = invite;
        let option = InviteOption {
            callee: uri(&format!("sip:{callee}@{}", trunk.host))?,
            caller: uri(&format!("sip:{caller}@{}", trunk.host))?,
            contact: self.contact(trunk, address)?,
            offer: Some(offer.into_bytes()),
            content_type: Some(SDP.into()),
            destination: Some(destination(trunk, address)),
            credential: credential(trunk),
            headers: Some(vec![Header::Supported("timer".into()), Header::Allow(ALLOW.into())]),
            ..InviteOption::default()
        };
        self.secure(trunk, address).await?;
        let (to_states, mut states) = self.layer.new_dialog_state_channel();
        let has_left = Arc::new(AtomicBool::new(false));
        let layer = self.layer.clone();
        let asking = async move { layer.do_invite(option, to_states).await };
        let mut asking: Pin<Box<dyn Future<Output = Asked> + Send>> =
            Box::pin(ASKING.scope(has_left.clone(), asking));
        let early = std::future::poll_fn(|context| match asking.as_mut().poll(context) {
            Poll::Ready(asked) => Poll::Ready(Some(asked)),
            // The poll in which the message was made ready has handed it over.
            Poll::Pending if has_left.load(Ordering::Relaxed) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let (dialog, answer) = match early.await {
            Some(asked) => {
                let (dialog, response) = asked.map_err(|error| error.to_string())?;
                (dialog.clone(), tokio::spawn(async move { Ok((dialog, response)) }))
            }
            None => match self.dialog_of(states.try_recv().ok()) {
                Some(dialog) => (dialog, tokio::spawn(asking)),
                None => return Err("the library lost a call".into()),
            },
        };
        Ok(Outgoing { layer: self.layer.clone(), dialog, states, answer: Some(answer), id: None })
    }

    /// Takes somebody who calls, so that their call can be answered.
    pub(super) fn take(&self, trunk: &Trunk, visitor: Visitor) -> Result<Outgoing, String> {
        let Visitor { layer, mut transaction, source, .. } = visitor;
        let (to_states, states) = layer.new_dialog_state_channel();
        let contact = self.contact(trunk, source)?;
        let dialog = layer.get_or_create_server_invite(&transaction, to_states, None, Some(contact));
        let dialog = dialog.map_err(|error| error.to_string())?;
        let mut handled = dialog.clone();
        tokio::spawn(async move {
            if let Err(error) = handled.handle(&mut transaction).await {
                tracing::debug!(%error, "a call that came in failed");
            }
        });
        let id = Some(dialog.id());
        Ok(Outgoing { layer, dialog, states, answer: None, id })
    }

    /// The dialog that has just begun.
    fn dialog_of(&self, begun: Option<DialogState>) -> Option<InviteDialog> {
        match begun {
            Some(DialogState::Calling(id)) => match self.layer.get_dialog(&id) {
                Some(Dialog::Invite(dialog)) => Some(dialog),
                Some(_) | None => None,
            },
            Some(_) | None => None,
        }
    }

    /// Asks whether the carrier is there; whatever it answers says yes.
    pub(super) async fn probe(&self, trunk: &Trunk, address: SocketAddr) -> Result<u16, String> {
        self.secure(trunk, address).await?;
        let to = uri(&format!("sip:{}", trunk.host))?;
        let from =
            sip::typed::From { display_name: None, uri: self.contact(trunk, address)?, params: vec![] };
        let to_header = sip::typed::To { display_name: None, uri: to.clone(), params: vec![] };
        let text = |error: rsipstack::Error| error.to_string();
        let ours = SocketAddr::new(self.address_towards(address), self.listens.port());
        let via = self.endpoint.get_via(Some(destination(trunk, ours)), None).map_err(text)?;
        let from = from.with_tag(make_tag());
        let request = self.endpoint.make_request(Method::Options, to, via, from, to_header, 1, None);
        let key = TransactionKey::from_request(&request, TransactionRole::Client).map_err(text)?;
        let mut transaction = Transaction::new_client(key, request, self.endpoint.clone(), None);
        transaction.destination = Some(destination(trunk, address));
        transaction.send().await.map_err(text)?;
        while let Some(message) = transaction.receive().await {
            if let SipMessage::Response(response) = message {
                return Ok(response.status_code.code());
            }
        }
        Err("it does not answer".into())
    }

    /// Registers; the answer is for how many seconds.
    pub(super) async fn register(&self, trunk: &Trunk, address: SocketAddr) -> Result<u32, String> {
        self.register_for(REGISTERED_SECONDS, trunk, address).await
    }

    /// Has the carrier forget where we are.
    pub(super) async fn unregister(&self, trunk: &Trunk, address: SocketAddr) -> Result<(), String> {
        self.register_for(0, trunk, address).await.map(drop)
    }

    async fn register_for(&self, seconds: u32, trunk: &Trunk, address: SocketAddr) -> Result<u32, String> {
        self.secure(trunk, address).await?;
        let mut registration = Registration::new(self.endpoint.clone(), credential(trunk));
        registration.outbound_proxy = Some(address);
        let contact = self.contact(trunk, address)?;
        registration.contact = Some(sip::typed::Contact { display_name: None, uri: contact, params: vec![] });
        let transport = match trunk.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
        };
        let server = uri(&format!("sip:{}{transport}", trunk.host))?;
        let asked = registration.register(server, Some(seconds)).await;
        let response = asked.map_err(|error| error.to_string())?;
        match response.status_code.kind() {
            StatusCodeKind::Successful => Ok(registration.granted_expires.unwrap_or(seconds)),
            _ => Err(refusal(&response).detail(&trunk.name)),
        }
    }
}

impl Visitor {
    /// Sends them away.
    pub(super) fn refuse(self, status: Status) {
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

/// The connections that nobody else reads, by the address of the carrier.
#[derive(Default)]
struct Secured {
    /// With whom they were made, and whether they live.
    known: Mutex<HashMap<SocketAddr, (Identity, CancellationToken)>>,
    /// Reads what this machine trusts once, when it is first wanted.
    verifier: OnceLock<Result<Arc<dyn ServerCertVerifier>, String>>,
}

/// Whose certificate was looked at, and who had to have signed it.
type Identity = (String, Option<PathBuf>);

fn identity(trunk: &Trunk) -> Identity {
    (trunk.destination().0.to_owned(), trunk.ca_file.clone())
}

impl Secured {
    fn known(&self) -> MutexGuard<'_, HashMap<SocketAddr, (Identity, CancellationToken)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is one for this trunk. The library finds connections by their address alone, so no other carrier
    /// may be at it.
    fn is_to(&self, trunk: &Trunk, address: SocketAddr) -> Result<bool, String> {
        match self.known().get(&address).filter(|(_, token)| !token.is_cancelled()) {
            Some((with, _)) if *with == identity(trunk) => Ok(true),
            Some(((name, _), _)) => Err(format!(
                "{address} is {name} as well for another trunk: give both the same name and the same ca_file"
            )),
            None => Ok(false),
        }
    }

    fn keep(&self, trunk: &Trunk, address: SocketAddr, token: CancellationToken) {
        self.known().insert(address, (identity(trunk), token));
    }

    /// Connects, and looks at the certificate.
    async fn connect(
        &self,
        trunk: &Trunk,
        to: SipAddr,
        token: CancellationToken,
    ) -> Result<SipConnection, String> {
        // The one choice for the process; another that was made before is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (authorities, verifier) = match &trunk.ca_file {
            Some(file) => {
                let read = tokio::fs::read(file).await;
                let pem = read.map_err(|error| format!("ca_file {}: {error}", file.display()))?;
                if CertificateDer::pem_slice_iter(&pem).next().is_none_or(|found| found.is_err()) {
                    return Err(format!("ca_file {} holds no certificate in PEM", file.display()));
                }
                (pem, None)
            }
            None => (Vec::new(), Some(self.verifier()?)),
        };
        let name = trunk.destination().0.to_owned();
        let ca_certs = Some(authorities);
        let config = TlsConfig { ca_certs, sni_hostname: Some(name.clone()), ..TlsConfig::default() };
        let connected = TlsConnection::connect(&to, Some(&config), verifier, Some(token)).await;
        connected.map(SipConnection::Tls).map_err(|error| {
            let error = error.to_string();
            match error.contains("certificate") {
                true => format!("the certificate of {name} is not accepted ({error}): is the host right, and who signed it in ca_file?"),
                false => format!("no secured connection to {name}: {error}"),
            }
        })
    }

    fn verifier(&self) -> Result<Arc<dyn ServerCertVerifier>, String> {
        let read = || -> Result<Arc<dyn ServerCertVerifier>, String> {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let verifier = Verifier::new(provider);
            Ok(Arc::new(verifier.map_err(|error| format!("this machine trusts no certificates: {error}"))?))
        };
        self.verifier.get_or_init(read).clone()
    }
}

impl Outgoing {
    /// Tells them that it rings.
    pub(super) fn ring(&self) -> Result<(), String> {
        self.dialog.ringing(None, None).map_err(|error| error.to_string())
    }

    /// Picks up.
    pub(super) fn pick_up(&self, sdp: String, session_expires: Option<&str>) -> Result<(), String> {
        let mut headers = vec![
            Header::ContentType(SDP.into()),
            Header::Supported("timer".into()),
            Header::Allow(ALLOW.into()),
        ];
        if let Some(value) = session_expires {
            headers.push(Header::SessionExpires(value.into()));
            headers.push(Header::Require("timer".into()));
        }
        self.dialog.accept(Some(headers), Some(sdp.into_bytes())).map_err(|error| error.to_string())
    }

    /// Sends them away whose call was taken.
    pub(super) fn decline(&self, status: Status) {
        if let Err(error) = self.dialog.reject(Some(status.code()), None) {
            tracing::debug!(%error, "a call could not be refused");
        }
    }

    /// What happens next. May be given up and asked again.
    pub(super) async fn next(&mut self) -> Signal {
        loop {
            let Outgoing { answer, states, dialog, .. } = self;
            let answered = async {
                match answer {
                    Some(answer) => answer.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // What led to the answer is told before it.
                biased;
                Some(state) = states.recv() => if let Some(signal) = told(state, dialog.role()) { return signal },
                result = answered => {
                    self.answer = None;
                    return match result {
                        Ok(result) => self.answered(result),
                        Err(panic) => Signal::Failed(panic.to_string()),
                    };
                }
            }
        }
    }

    fn answered(&mut self, asked: Asked) -> Signal {
        match asked {
            Ok((dialog, Some(response))) => {
                self.id = Some(dialog.id());
                match response.status_code {
                    StatusCode::OK => Signal::Answered(Answer {
                        session_expires: session_expires(response.session_expires_header()),
                        sdp: response.body,
                    }),
                    _ => Signal::Refused(refusal(&response)),
                }
            }
            Ok((_, None)) => Signal::Failed("the carrier does not answer".into()),
            Err(error) => Signal::Failed(error.to_string()),
        }
    }

    /// Takes the call back before it is answered. Should the answer cross this, it is hung up by the library, or by
    /// [`Outgoing::bye`].
    pub(super) fn cancel(&self) {
        let dialog = self.dialog.clone();
        tokio::spawn(async move {
            if let Err(error) = dialog.cancel().await {
                tracing::debug!(%error, "a CANCEL failed");
            }
        });
    }

    /// Hangs up. It goes on being said to a carrier that does not answer, whether somebody waits for the end or not.
    pub(super) fn bye(&self) -> impl Future<Output = ()> + Send + 'static {
        let dialog = self.dialog.clone();
        let saying = tokio::spawn(async move {
            for _ in 0..BYE_TRIES {
                match dialog.bye().await {
                    Ok(()) => return,
                    Err(_) if dialog.state().is_terminated() => return,
                    // A change of the session that is not finished is in the way.
                    Err(_) => tokio::time::sleep(BYE_PAUSE).await,
                }
            }
            tracing::warn!("a call could not be hung up in order");
        });
        async move {
            if let Err(panic) = saying.await {
                tracing::error!(%panic, "a call could not be hung up");
            }
        }
    }

    /// Asks the carrier to put the other side through to somebody, RFC 3515; whether it will try. How that goes is told by
    /// [`Signal::Transfer`], which may overtake this answer.
    pub(super) fn refer(
        &self,
        trunk: &Trunk,
        to: &str,
    ) -> impl Future<Output = Result<(), String>> + Send + 'static {
        let dialog = self.dialog.clone();
        let (name, place) = (trunk.name.clone(), uri(&format!("sip:{to}@{}", trunk.host)));
        async move {
            let asked = dialog.refer(place?, None, None).await;
            match asked.map_err(|error| error.to_string())? {
                Some(response) if response.status_code.kind() == StatusCodeKind::Successful => Ok(()),
                Some(response) => Err(refusal(&response).detail(&name)),
                None => Err(format!("trunk {name}: the call cannot be passed on at the moment")),
            }
        }
    }

    /// Renews the session with our description; whether the other side agrees.
    pub(super) fn refresh(
        &self,
        sdp: String,
        session_expires: &str,
    ) -> impl Future<Output = bool> + Send + 'static {
        let dialog = self.dialog.clone();
        let headers = vec![
            Header::SessionExpires(session_expires.into()),
            Header::Supported("timer".into()),
            Header::ContentType(SDP.into()),
        ];
        async move {
            let asked = dialog.reinvite_with_glare_retry(Some(headers), Some(sdp.into_bytes()), GLARE_TRIES);
            matches!(asked.await, Ok(Some(response)) if response.status_code.kind() == StatusCodeKind::Successful)
        }
    }

    /// Lets go of the call. One whose end is still to come is waited for in the background, and hung up should it be
    /// answered after all.
    pub(super) fn release(mut self) {
        if let Some(id) = &self.id {
            self.layer.remove_dialog(id);
        }
        if self.answer.is_none() {
            return;
        }
        tokio::spawn(async move {
            loop {
                match self.next().await {
                    Signal::Answered(_) => {
                        self.bye().await;
                        break;
                    }
                    Signal::Refused(_) | Signal::Failed(_) | Signal::HungUp => break,
                    Signal::Trying
                    | Signal::Ringing(_)
                    | Signal::Change(_)
                    | Signal::Key(_)
                    | Signal::Transfer(_) => {}
                }
            }
            self.id.iter().for_each(|id| self.layer.remove_dialog(id));
        });
    }
}

impl Change {
    /// Agrees, with our description where there is one to give.
    pub(super) async fn accept(self, sdp: Option<String>) {
        let mut headers = Vec::new();
        if let Some(value) = &self.session_expires {
            let has_refresher = value.to_ascii_lowercase().contains("refresher=");
            let refresher = if has_refresher { "" } else { ";refresher=uac" };
            headers.push(Header::SessionExpires(format!("{value}{refresher}").into()));
            headers.push(Header::Require("timer".into()));
        }
        if sdp.is_some() {
            headers.push(Header::ContentType(SDP.into()));
        }
        let body = sdp.map(String::into_bytes);
        if self.reply.respond(StatusCode::OK, Some(headers), body).await.is_err() {
            tracing::debug!("nobody waits for the reply to a change any more");
        }
    }

    /// Declines; the session stays as it is.
    pub(super) async fn decline(self) {
        if self.reply.reply(StatusCode::NotAcceptableHere).await.is_err() {
            tracing::debug!("nobody waits for the reply to a change any more");
        }
    }
}

/// What a state of the library means to us; what it means nothing is answered here.
fn told(state: DialogState, role: TransactionRole) -> Option<Signal> {
    match state {
        // What the caller says ends a call that was taken; of one that we made it is our own word.
        DialogState::Terminated(_, TerminatedReason::UacBye | TerminatedReason::UacCancel)
            if role == TransactionRole::Server =>
        {
            Some(Signal::HungUp)
        }
        DialogState::Trying(_) => Some(Signal::Trying),
        DialogState::Early(_, response) => {
            Some(Signal::Ringing(Some(response.body).filter(|body| !body.is_empty())))
        }
        DialogState::Terminated(_, TerminatedReason::UasBye | TerminatedReason::Timeout) => {
            Some(Signal::HungUp)
        }
        DialogState::Updated(_, request, reply) => Some(Signal::Change(Change {
            session_expires: session_expires(request.session_expires_header()),
            wants_offer: request.method == Method::Invite && request.body.is_empty(),
            sdp: request.body,
            reply,
        })),
        DialogState::Info(_, request, reply) => {
            answer(reply, StatusCode::OK);
            key_of(&String::from_utf8_lossy(&request.body)).map(Signal::Key)
        }
        DialogState::Notify(_, request, reply) => {
            answer(reply, StatusCode::OK);
            status_of(&String::from_utf8_lossy(&request.body)).map(Signal::Transfer)
        }
        DialogState::Options(_, _, reply) | DialogState::Message(_, _, reply) => {
            answer(reply, StatusCode::OK);
            None
        }
        DialogState::Refer(_, _, reply) | DialogState::Publish(_, _, reply) => {
            answer(reply, StatusCode::Decline);
            None
        }
        DialogState::Calling(_)
        | DialogState::WaitAck(..)
        | DialogState::Confirmed(..)
        | DialogState::Terminated(..) => None,
    }
}

fn answer(reply: TransactionHandle, status: StatusCode) {
    tokio::spawn(async move {
        if reply.reply(status).await.is_err() {
            tracing::debug!("nobody waits for a reply any more");
        }
    });
}

/// Puts right what the library writes and reads in another way than RFC 7616 and 3261: the names of the hashes, and the
/// quotes around the one word that must have none.
struct Dialect;

impl MessageInspector for Dialect {
    fn before_send(&self, mut message: SipMessage, _: Option<&SipAddr>) -> SipMessage {
        // What is sent outside of such a task is no INVITE.
        let _ = ASKING.try_with(|has_left| has_left.store(true, Ordering::Relaxed));
        let headers = match &mut message {
            SipMessage::Request(request) => &mut request.headers,
            SipMessage::Response(response) => &mut response.headers,
        };
        for header in headers.iter_mut() {
            let spoken =
                |value: &str| value.replace("=SHA256", "=SHA-256").replace("qop=\"auth\"", "qop=auth");
            match header {
                Header::Authorization(proof) => proof.replace(spoken(proof.value())),
                Header::ProxyAuthorization(proof) => proof.replace(spoken(proof.value())),
                _ => {}
            }
        }
        message
    }

    fn after_received(&self, mut message: SipMessage, from: Option<&SipAddr>) -> SipMessage {
        if let SipMessage::Request(request) = &mut message {
            request.headers.retain(|header| !header.name().eq_ignore_ascii_case(SOURCE));
            if let Some(from) = from.and_then(|from| from.get_socketaddr().ok()) {
                request.headers.push(Header::Other(SOURCE.into(), from.to_string()));
            }
        }
        if let Some(target) = from.and_then(|from| untold_target(&message, from)) {
            let headers = message.headers_mut();
            headers.retain(|header| !matches!(header, Header::Contact(_)));
            headers.push(Header::Contact(target.into()));
        }
        for header in message.headers_mut().iter_mut() {
            match header {
                Header::WwwAuthenticate(asked) => asked.replace(asked.value().replace("SHA-256", "SHA256")),
                Header::ProxyAuthenticate(asked) => asked.replace(asked.value().replace("SHA-256", "SHA256")),
                _ => {}
            }
        }
        message
    }
}

/// Where somebody is found who begins a call, or picks one up, and does not say so: where it came from. Without it nobody
/// could hang up.
fn untold_target(message: &SipMessage, from: &SipAddr) -> Option<String> {
    let who = match message {
        SipMessage::Request(request) if request.method == Method::Invite => {
            request.from_header().ok()?.value()
        }
        SipMessage::Response(response) if response.status_code.kind() == StatusCodeKind::Successful => {
            let method = response.cseq_header().and_then(|cseq| cseq.method()).ok()?;
            (method == Method::Invite).then_some(response.to_header().ok()?.value())?
        }
        SipMessage::Request(_) | SipMessage::Response(_) => return None,
    };
    let is_told = message
        .headers()
        .iter()
        .any(|header| matches!(header, Header::Contact(told) if told.typed().is_ok()));
    if is_told {
        return None;
    }
    let transport = match from.r#type {
        Some(sip::Transport::Tcp) => ";transport=tcp",
        Some(sip::Transport::Tls) => ";transport=tls",
        _ => "",
    };
    let user = user_of(who).map(|user| user + "@").unwrap_or_default();
    Some(format!("<sip:{user}{}{transport}>", from.addr))
}

/// Takes in what comes without being asked for: requests of calls alive, and all others, which are declined.
async fn receive(
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
fn user_of(place: &str) -> Option<String> {
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

fn uri(text: &str) -> Result<Uri, String> {
    Uri::try_from(text).map_err(|error| format!("`{text}` is no SIP address: {error}"))
}

fn destination(trunk: &Trunk, address: SocketAddr) -> SipAddr {
    let transport = match trunk.transport {
        Transport::Udp => sip::Transport::Udp,
        Transport::Tcp => sip::Transport::Tcp,
        Transport::Tls => sip::Transport::Tls,
    };
    SipAddr { r#type: Some(transport), addr: address.into() }
}

fn credential(trunk: &Trunk) -> Option<Credential> {
    let password = trunk.password.as_ref()?.reveal().to_owned();
    let username = trunk.username.clone()?;
    Some(Credential { username, password, realm: None, auth_username: None })
}

fn session_expires(header: Option<&sip::headers::SessionExpires>) -> Option<String> {
    header.map(|header| header.value().to_owned())
}

fn refusal(response: &Response) -> Refusal {
    let reasons = response.headers.iter().filter_map(|header| match header {
        Header::Reason(reason) => q850(reason.value()),
        _ => None,
    });
    let status = &response.status_code;
    Refusal { code: status.code(), words: status.text().to_owned(), q850: reasons.into_iter().next() }
}

/// The status in the body of a NOTIFY, RFC 3420: `SIP/2.0 200 OK`.
fn status_of(body: &str) -> Option<u16> {
    let mut words = body.lines().next()?.split_whitespace();
    let protocol = words.next()?;
    let code = words.next()?.parse().ok()?;
    (protocol.eq_ignore_ascii_case("SIP/2.0") && (100..700).contains(&code)).then_some(code)
}

/// The key in the body of an INFO: `Signal=5` or a bare `5`.
fn key_of(body: &str) -> Option<char> {
    let signal = body.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("signal").then_some(value)
    });
    let mut text = signal.unwrap_or(body).trim().chars();
    let key = text.next().filter(|key| dtmf::is_key(*key))?;
    text.next().is_none().then_some(key)
}

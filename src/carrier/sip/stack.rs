//! The SIP stack: the one place that knows the library. What it says of messages never leaves this place, and what
//! leaves it is in our own words.

mod dialect;
mod incoming;
mod leg;
mod secured;

pub(super) use incoming::{Status, Visitor};
pub(super) use leg::{Change, Outgoing, Renewal};

use super::outcome::Refusal;
use super::reading::{q850, session_time};
use super::settings::{Settings, Transport, Trunk};
use dialect::{ASKING, Dialect};
use incoming::receive;
use leg::Asked;
use rsipstack::EndpointBuilder;
use rsipstack::dialog::authenticate::Credential;
use rsipstack::dialog::dialog::{Dialog, DialogState};
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::dialog::invitation::InviteOption;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::dialog::registration::Registration;
use rsipstack::platform::CancellationToken;
use rsipstack::sip::{self, Header, Method, Response, SipMessage, StatusCodeKind, Uri};
use rsipstack::transaction::endpoint::{EndpointInnerRef, EndpointOption};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transaction::{CallIdFormat, make_tag};
use rsipstack::transport::tcp_listener::TcpListenerConnection;
use rsipstack::transport::udp::UdpConnection;
use rsipstack::transport::{SipAddr, SipConnection, TransportLayer};
use secured::Secured;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use tokio::sync::mpsc;

/// What we understand on a call.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, NOTIFY";
/// What we say of that while we ask for one: whoever knows that we understand UPDATE may send one while it rings, when the
/// library does not know yet whose it is.
const ALLOW_EARLY: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, NOTIFY";
const SDP: &str = "application/sdp";
const REGISTERED_SECONDS: u32 = 300;
/// Callers that may wait to be looked at.
const VISITORS_MAX: usize = 64;

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
    /// What it answers to the offer of ours that it asked for.
    Settled(Vec<u8>),
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
            headers: Some(vec![Header::Supported("timer".into()), Header::Allow(ALLOW_EARLY.into())]),
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
        Ok(Outgoing {
            layer: self.layer.clone(),
            dialog,
            states,
            answer: Some(answer),
            id: None,
            offered: None,
        })
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
        Ok(Outgoing { layer, dialog, states, answer: None, id, offered: None })
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
    header.map(|header| session_time(header.value()))
}

fn refusal(response: &Response) -> Refusal {
    let reasons = response.headers.iter().filter_map(|header| match header {
        Header::Reason(reason) => q850(reason.value()),
        _ => None,
    });
    let status = &response.status_code;
    Refusal { code: status.code(), words: status.text().to_owned(), q850: reasons.into_iter().next() }
}

//! Trying a trunk out, step by step, without placing a call: can its name be resolved, is anybody there, does it answer,
//! does it let us in?

use super::settings::{Settings, Transport, Trunk};
use super::stack::Stack;
use super::{Sip, find};
use crate::clock::Clock;
use chrono::TimeDelta;
use std::net::SocketAddr;
use tokio::net::{TcpStream, UdpSocket};

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Went {
    /// It worked.
    Well,
    /// It did not.
    Wrong,
    /// It was not tried, or there is nothing to try.
    Untried,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// `name`, `transport`, `options` or `register`.
    pub name: &'static str,
    /// How it went.
    pub went: Went,
    /// How long it took.
    pub took: TimeDelta,
    /// What was found, or what is wrong and what to do.
    pub message: String,
}

/// How long each step may take; ten seconds in all.
const NAME_WAIT: TimeDelta = TimeDelta::milliseconds(2_500);
const TRANSPORT_WAIT: TimeDelta = TimeDelta::milliseconds(2_500);
const OPTIONS_WAIT: TimeDelta = TimeDelta::milliseconds(2_500);
const REGISTER_WAIT: TimeDelta = TimeDelta::milliseconds(2_500);
/// How soon a machine says that nobody listens at a port.
const REFUSAL_WAIT: TimeDelta = TimeDelta::milliseconds(200);

/// Tries a trunk out; where a carrier is live, from where it lives.
pub async fn try_out(settings: &Settings, live: Option<&Sip>, trunk: &Trunk, clock: &dyn Clock) -> Vec<Step> {
    let mut steps = Steps { clock, done: Vec::new() };
    let at = steps.at(
        NAME_WAIT,
        "name",
        find(trunk, settings.listen.ip()),
        |address| format!("it is {address}"),
        name_fix,
    );
    let Some(address) = at.await else {
        for name in ["transport", "options", "register"] {
            steps.skip(name, "the address is not known");
        }
        return steps.done;
    };
    let is_udp = trunk.transport == Transport::Udp;
    let reached = match is_udp {
        true => {
            steps
                .at(
                    TRANSPORT_WAIT,
                    "transport",
                    send_datagram(address, clock),
                    |()| "datagrams go out; whether they arrive shows in the next step".into(),
                    transport_fix,
                )
                .await
        }
        false => {
            steps
                .at(
                    TRANSPORT_WAIT,
                    "transport",
                    connect(address),
                    |()| "a connection is made".into(),
                    transport_fix,
                )
                .await
        }
    };
    if reached.is_none() {
        for name in ["options", "register"] {
            steps.skip(name, "nobody is reached");
        }
        return steps.done;
    }
    let own;
    let stack = match live {
        Some(sip) => &sip.inner.stack,
        None => match start(settings, trunk).await {
            Ok(stack) => {
                own = stack;
                &own
            }
            Err(problem) => {
                steps.add("options", Went::Wrong, TimeDelta::zero(), problem);
                steps.skip("register", "we cannot listen");
                return steps.done;
            }
        },
    };
    let answered = |code: u16| match code {
        200..300 => format!("it answers ({code})"),
        _ => format!("it answers ({code}), which is as good: it is there"),
    };
    steps.at(OPTIONS_WAIT, "options", stack.probe(trunk, address), answered, options_fix).await;
    if trunk.register {
        let granted = |seconds: u32| format!("it has us registered for {seconds} seconds");
        steps.at(REGISTER_WAIT, "register", stack.register(trunk, address), granted, register_fix).await;
    } else if trunk.password.is_some() {
        steps.skip("register", "this trunk does not register; the password is asked for with the first call");
    } else {
        steps.skip("register", "this trunk needs none: the carrier knows us by our address");
    }
    if live.is_none() {
        stack.stop();
    }
    steps.done
}

/// A stack of our own, where the carrier expects us if that is free.
async fn start(settings: &Settings, trunk: &Trunk) -> Result<Stack, String> {
    let trunks = std::slice::from_ref(trunk);
    match Stack::start(settings, trunks).await {
        // Nobody takes the calls that come in here, so they are refused.
        Ok((stack, _)) => Ok(stack),
        Err(_) => {
            let mut settings = settings.clone();
            settings.listen.set_port(0);
            Stack::start(&settings, trunks).await.map(|(stack, _)| stack)
        }
    }
}

struct Steps<'c> {
    clock: &'c dyn Clock,
    done: Vec<Step>,
}

impl Steps<'_> {
    async fn at<T>(
        &mut self,
        wait: TimeDelta,
        name: &'static str,
        step: impl Future<Output = Result<T, String>>,
        well: impl FnOnce(T) -> String,
        fix: fn(Option<String>) -> String,
    ) -> Option<T>
    where
        T: Copy,
    {
        let began = self.clock.steady();
        let went = tokio::select! {
            went = step => went.map_err(Some),
            () = self.clock.sleep_until(began + wait) => Err(None),
        };
        let took = self.clock.steady() - began;
        match went {
            Ok(found) => {
                self.add(name, Went::Well, took, well(found));
                Some(found)
            }
            Err(problem) => {
                self.add(name, Went::Wrong, took, fix(problem));
                None
            }
        }
    }

    fn add(&mut self, name: &'static str, went: Went, took: TimeDelta, message: String) {
        self.done.push(Step { name, went, took, message });
    }

    fn skip(&mut self, name: &'static str, why: &str) {
        self.add(name, Went::Untried, TimeDelta::zero(), why.to_owned());
    }
}

async fn connect(address: SocketAddr) -> Result<(), String> {
    TcpStream::connect(address).await.map(drop).map_err(|error| error.to_string())
}

/// Sends what SIP takes for nothing but a sign of life, and listens for the machine to say that nobody is there.
async fn send_datagram(address: SocketAddr, clock: &dyn Clock) -> Result<(), String> {
    let any: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let sent = async {
        let socket = UdpSocket::bind(any).await?;
        socket.connect(address).await?;
        socket.send(b"\r\n\r\n").await?;
        let mut answer = [0; 1];
        tokio::select! {
            answered = socket.recv(&mut answer) => answered.map(drop),
            () = clock.sleep_until(clock.steady() + REFUSAL_WAIT) => Ok(()),
        }
    };
    sent.await.map_err(|error: std::io::Error| error.to_string())
}

fn name_fix(problem: Option<String>) -> String {
    let problem = problem.unwrap_or_else(|| "no name server answers".into());
    format!("{problem}: check the host for a typing mistake, and that this machine can resolve names")
}

fn transport_fix(problem: Option<String>) -> String {
    let problem = problem.unwrap_or_else(|| "nobody answers".into());
    format!("{problem}: check the port and the transport, and that a firewall lets us out")
}

fn options_fix(problem: Option<String>) -> String {
    let problem = problem.unwrap_or_else(|| "it does not answer".into());
    format!(
        "{problem}: check host, port and transport; that the carrier knows our address; and `sip.public_ip` behind NAT"
    )
}

fn register_fix(problem: Option<String>) -> String {
    problem.unwrap_or_else(|| {
        "it does not answer: check that the carrier wants us to register, and at this host".into()
    })
}

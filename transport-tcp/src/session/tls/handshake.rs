//! The handshake: flights of TLS, then the payloads of an admission as the first records.

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::{ClientConnection, Connection, Error, ServerConnection};
use skep::core::wire::Hello;
use zeroize::Zeroizing;

use super::{Configs, PREAMBLE};
use crate::session::messages::Messages;
use crate::session::records::{Cipher, Opening, Sealing};
use crate::session::{Admission, Established, Progress, Session, SessionError, Side, Verdict};

/// The longest flight, in bytes: a chain of a few certificates.
const MAX_FLIGHT: usize = 16 << 10;

/// No side needs more flights than this, with a retry.
const MAX_FLIGHTS: usize = 4;

const LABEL: &[u8] = b"EXPORTER-skep-links";

pub(super) struct Handshake {
    side: Side,
    admission: Admission,
    messages: Messages,
    stage: Stage,
}

enum Stage {
    /// TLS shakes hands. How many flights came.
    Proving(Box<Connection>, usize),
    /// The peer has proved that this certificate is its own.
    Proved(Box<Proved>),
    /// An end was reached.
    Over,
}

struct Proved {
    connection: Connection,
    certificate: CertificateDer<'static>,
    sealing: Sealing,
    opening: Cipher,
}

impl Handshake {
    pub(super) fn begin(side: Side, hello: &Hello, configs: Configs, out: &mut Vec<u8>) -> Self {
        let connection = match side {
            Side::Dialler => {
                let nobody = ServerName::try_from("skep.invalid").expect("a name");
                ClientConnection::new(configs.dialler, nobody).map(Connection::from)
            }
            Side::Acceptor => ServerConnection::new(configs.acceptor).map(Connection::from),
        };
        let mut connection = connection.expect("the system has randomness, and the config is whole");
        let mut messages = Messages::new(PREAMBLE);
        send_flight(&mut connection, &mut messages, out);
        let admission = Admission::new(side, hello.clone());
        Self { side, admission, messages, stage: Stage::Proving(Box::new(connection), 0) }
    }

    fn on_message(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<Progress, SessionError> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Proving(_, MAX_FLIGHTS..) | Stage::Over => Err(SessionError::Broken),
            Stage::Proving(mut connection, flights) => {
                let taken = take_flight(&mut connection, message);
                send_flight(&mut connection, &mut self.messages, out); // also the alert that says what is wrong
                taken.map_err(fault)?;
                if connection.is_handshaking() {
                    self.stage = Stage::Proving(connection, flights + 1);
                    return Ok(Progress::Unfinished);
                }
                let mut proved = self.prove(*connection)?;
                if self.side == Side::Dialler {
                    proved.sealing.append(&self.admission.opening(), out)?;
                }
                self.stage = Stage::Proved(Box::new(proved));
                Ok(Progress::Unfinished)
            }
            Stage::Proved(proved) => self.on_record(*proved, message, out),
        }
    }

    fn prove(&self, connection: Connection) -> Result<Proved, SessionError> {
        let certificate = connection.peer_certificates().and_then(|chain| chain.first());
        let certificate = certificate.ok_or(SessionError::NotTrusted)?.clone().into_owned();
        let keys =
            connection.export_keying_material([0; 64], LABEL, None).map_err(|_| SessionError::Broken)?;
        let keys = Zeroizing::new(keys);
        let (from_dialler, from_acceptor) = keys.split_first_chunk::<32>().expect("twice 32 bytes");
        let from_acceptor = from_acceptor.first_chunk::<32>().expect("twice 32 bytes");
        let (ours, theirs) = match self.side {
            Side::Dialler => (from_dialler, from_acceptor),
            Side::Acceptor => (from_acceptor, from_dialler),
        };
        let (sealing, opening) = (Sealing::new(Cipher::new(ours)), Cipher::new(theirs));
        Ok(Proved { connection, certificate, sealing, opening })
    }

    fn on_record(
        &mut self,
        mut proved: Proved,
        record: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Progress, SessionError> {
        let mut payload = Vec::new();
        if proved.opening.open(record, &mut payload).is_err() {
            // The dialler is through with TLS before the acceptor has seen its certificate, and may not like it.
            return Err(
                take_flight(&mut proved.connection, record).map_or_else(fault, |()| SessionError::Broken)
            );
        }
        let is_proved = |hello: &Hello| is_name_in(&proved.certificate, hello.node.as_str());
        let (last, end) = match self.admission.receive_from(&payload, is_proved) {
            Verdict::Answer(answer) => {
                proved.sealing.append(&answer, out)?;
                self.stage = Stage::Proved(Box::new(proved));
                return Ok(Progress::Unfinished);
            }
            Verdict::Admitted { last, peer } => (last, Ok(peer)),
            Verdict::Failed { last, error } => (last, Err(error)),
        };
        if let Some(last) = last {
            proved.sealing.append(&last, out)?;
        }
        Ok(Progress::Established(Established {
            peer: end?,
            sealer: Box::new(proved.sealing),
            opener: Box::new(Opening::new(proved.opening)),
            unread: self.messages.take_rest(),
        }))
    }
}

impl Session for Handshake {
    fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Progress, SessionError> {
        self.messages.push(bytes);
        while let Some(message) = self.messages.next(MAX_FLIGHT, out)? {
            match self.on_message(&message, out)? {
                Progress::Unfinished => {}
                established @ Progress::Established(_) => return Ok(established),
            }
        }
        Ok(Progress::Unfinished)
    }
}

fn is_name_in(certificate: &CertificateDer<'_>, node: &str) -> bool {
    let Ok(name) = ServerName::try_from(node) else { return false };
    ParsedCertificate::try_from(certificate)
        .is_ok_and(|certificate| verify_server_name(&certificate, &name).is_ok())
}

fn send_flight(connection: &mut Connection, messages: &mut Messages, out: &mut Vec<u8>) {
    let mut flight = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut flight).expect("writing to memory succeeds");
    }
    if !flight.is_empty() {
        messages.send(&flight, out);
    }
}

fn take_flight(connection: &mut Connection, mut flight: &[u8]) -> Result<(), Error> {
    while !flight.is_empty() {
        match connection.read_tls(&mut flight) {
            Ok(1..) => connection.process_new_packets().map(|_| ())?,
            Ok(0) | Err(_) => return Err(Error::General("more than a flight".into())),
        }
    }
    Ok(())
}

fn fault(error: Error) -> SessionError {
    match error {
        Error::AlertReceived(_) => SessionError::NotTrustedByPeer,
        Error::InvalidCertificate(_) | Error::NoCertificatesPresented => SessionError::NotTrusted,
        _ => SessionError::Broken, // another library's enum, which grows
    }
}

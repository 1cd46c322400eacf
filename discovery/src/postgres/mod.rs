//! Peers that leave their addresses in a table of Postgres, each with a lease, and tell each other by `NOTIFY`.
//!
//! The one client worth having wants tokio: it gets a runtime of its own in a thread of its own, whatever the node
//! runs on.

mod tls;

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::path::PathBuf;
use std::time::Duration;

use futures::channel::mpsc;
use futures::{FutureExt, StreamExt, pin_mut, select_biased};
use skep::Runtime;
use skep::discovery::{Announced, Discovery, ObservationSink};
use skep_core::event::{Observation, SourceFailure};
use skep_core::id::{Address, Source};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::TlsStream;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Socket};

use crate::address::peer_address;
use crate::failure::{auth, config, read_text, transient};
use crate::helper::{Desk, Stopped, in_thread, spread};
use tls::Tls;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long a node that leaves waits for its row to be deleted, which a lease would end, too.
const WITHDRAW_WITHIN: Duration = Duration::from_secs(2);

/// The source: the rows of a table whose lease is not over, by the clock of the server. It keeps a row of this node
/// there, under a lease of 15 seconds that it renews every two, and deletes it when it leaves. Who comes or goes tells
/// the others by `NOTIFY`, so that they look at once.
///
/// The table is made unless it is there; a role that may not make it needs `select`, `insert`, `update` and `delete`
/// on
///
/// ```sql
/// create table skep_peers (cluster text, life text, node text not null, address text not null,
///     expires timestamptz not null, primary key (cluster, life));
/// ```
///
/// It holds one connection, to the server itself: a pooler between them loses what is notified, which costs seconds.
#[derive(Clone)]
pub struct Postgres {
    url: String,
    password: Option<PathBuf>,
    ca: Option<PathBuf>,
    table: String,
    every: Duration,
    lease: Duration,
}

impl Postgres {
    /// The database at this URL, as `postgres://orders@10.0.0.1/orders`, or in words, as
    /// `host=/run/postgresql user=orders`. Without [`Postgres::ca_file`] nothing is encrypted: that is for a socket of
    /// this host, or a network to be trusted with the addresses of nodes and a hash of the password.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            password: None,
            ca: None,
            table: "skep_peers".into(),
            every: Duration::from_secs(2),
            lease: Duration::from_secs(15),
        }
    }

    /// The password; read again for each connection.
    #[must_use]
    pub fn password_file(self, path: impl Into<PathBuf>) -> Self {
        Self { password: Some(path.into()), ..self }
    }

    /// Who signed the server's certificate, as PEM: TLS, and nothing without it.
    #[must_use]
    pub fn ca_file(self, path: impl Into<PathBuf>) -> Self {
        Self { ca: Some(path.into()), ..self }
    }

    /// Another table, which is also what is notified; `skep_peers` by default.
    #[must_use]
    pub fn table(self, name: impl Into<String>) -> Self {
        Self { table: name.into(), ..self }
    }

    /// How often the lease is renewed, and rows are asked for if nobody notifies; a quarter more or less.
    #[must_use]
    pub fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// How long a row outlives a node that died; longer than a few rounds.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    fn work(&self, me: &Announced, desk: &mut Desk) -> Result<(), Stopped> {
        loop {
            // One for each session: what is left of the last connection ends with it.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let session = match runtime {
                Ok(runtime) => runtime.block_on(self.session(me, desk)),
                Err(error) => Err(Ended::Failed(transient(format!("there is no runtime for it: {error}")))),
            };
            let Err(ended) = session;
            match ended {
                Ended::Stopped => return Err(Stopped),
                Ended::Failed(failure) => desk.fail(failure)?,
            }
        }
    }

    /// One connection, until it breaks or the node leaves.
    async fn session(&self, me: &Announced, desk: &mut Desk) -> Result<Infallible, Ended> {
        let (client, mut news) = self.connect().await?;
        self.prepare(&client).await?;
        let Err(ended) = self.look_again_and_again(&client, &mut news, me, desk).await;
        if let Ended::Stopped = ended {
            // Its lease would end by itself: whether the server hears this now changes only when.
            let _ = tokio::time::timeout(WITHDRAW_WITHIN, self.withdraw(&client, me)).await;
        }
        Err(ended)
    }

    async fn look_again_and_again(
        &self,
        client: &Client,
        news: &mut mpsc::Receiver<()>,
        me: &Announced,
        desk: &mut Desk,
    ) -> Result<Infallible, Ended> {
        loop {
            desk.say(Observation::all(self.look(client, me).await?))?;
            let (stopped, over) = (desk.stopped().fuse(), tokio::time::sleep(spread(self.every)).fuse());
            pin_mut!(stopped, over);
            select_biased! {
                () = stopped => return Err(Ended::Stopped),
                _ = news.next() => {} // what broke is told by the next look
                () = over => {}
            }
        }
    }

    async fn connect(&self) -> Result<(Client, mpsc::Receiver<()>), SourceFailure> {
        let mut server: Config =
            self.url.parse().map_err(|error| config(format!("the URL of Postgres: {error}")))?;
        if let Some(path) = &self.password {
            server.password(read_text(path)?);
        }
        server.application_name("skep").connect_timeout(CONNECT_WITHIN).tcp_user_timeout(ANSWER_WITHIN);
        let (sender, news) = mpsc::channel(1);
        let Some(path) = &self.ca else {
            if server.get_ssl_mode() == SslMode::Require {
                return Err(config("TLS needs a CA file to be checked against".into()));
            }
            let (client, connection) = within(server.ssl_mode(SslMode::Disable).connect(NoTls)).await?;
            tokio::spawn(attend(connection, sender));
            return Ok((client, news));
        };
        let tls = Tls::checked_against(path)?;
        let (client, connection) = within(server.ssl_mode(SslMode::Require).connect(tls)).await?;
        tokio::spawn(attend(connection, sender));
        Ok((client, news))
    }

    /// The table is there, and we hear of changes in it.
    async fn prepare(&self, client: &Client) -> Result<(), SourceFailure> {
        let table = self.quoted();
        within(client.batch_execute(&format!("listen {table}"))).await?;
        let found = within(client.query_one("select to_regclass($1::text) is not null", &[&table])).await?;
        if found.get::<_, bool>(0) {
            return Ok(());
        }
        // Two that make it at once would fail: each takes the lock until its transaction, which this is, is over.
        let make = format!(
            "select pg_advisory_xact_lock({LOCK}); \
             create table if not exists {table} (cluster text, life text, node text not null, \
             address text not null, expires timestamptz not null, primary key (cluster, life))"
        );
        within(client.batch_execute(&make)).await
    }

    /// One round: our row is there, those of the dead are not, and who else is.
    async fn look(&self, client: &Client, me: &Announced) -> Result<Vec<Address>, SourceFailure> {
        let table = self.quoted();
        let (cluster, life) = (me.cluster.as_str(), me.life.to_string());
        let renew = format!(
            "insert into {table} as ours (cluster, life, node, address, expires) \
             values ($1, $2, $3, $4, now() + $5::float8 * interval '1 second') \
             on conflict (cluster, life) do update set expires = excluded.expires returning ours.xmax = 0"
        );
        let (node, address, lease) = (me.node.as_str(), me.address.as_str(), self.lease.as_secs_f64());
        let ours = within(client.query_one(&renew, &[&cluster, &life, &node, &address, &lease])).await?;
        if ours.get::<_, bool>(0) {
            self.notify(client, cluster).await?; // it was not there
        }
        let bury = format!("delete from {table} where cluster = $1 and expires < now()");
        within(client.execute(&bury, &[&cluster])).await?;
        let others = format!("select address from {table} where cluster = $1 and life <> $2");
        let rows = within(client.query(&others, &[&cluster, &life])).await?;
        let read = |row: &tokio_postgres::Row| {
            let text: &str = row.get(0);
            peer_address(text).map_err(|bad| transient(format!("the table {table}: {bad}")))
        };
        rows.iter().map(read).collect()
    }

    async fn notify(&self, client: &Client, cluster: &str) -> Result<(), SourceFailure> {
        within(client.execute("select pg_notify($1, $2)", &[&self.table, &cluster])).await.map(drop)
    }

    async fn withdraw(&self, client: &Client, me: &Announced) -> Result<(), SourceFailure> {
        let delete = format!("delete from {} where cluster = $1 and life = $2", self.quoted());
        let (cluster, life) = (me.cluster.as_str(), me.life.to_string());
        within(client.execute(&delete, &[&cluster, &life])).await?;
        self.notify(client, cluster).await
    }

    /// The name of the table as SQL has it.
    fn quoted(&self) -> String {
        format!("\"{}\"", self.table.replace('"', "\"\""))
    }
}

/// A number of ours among the advisory locks of the database: `skep` in ASCII.
const LOCK: u32 = 0x736b_6570;

/// How a session ends.
enum Ended {
    Stopped,
    Failed(SourceFailure),
}

impl From<Stopped> for Ended {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<SourceFailure> for Ended {
    fn from(failure: SourceFailure) -> Self {
        Self::Failed(failure)
    }
}

/// Does the connection's work, and tells of what was notified.
async fn attend<S: TlsStream + Unpin>(mut connection: Connection<Socket, S>, mut news: mpsc::Sender<()>) {
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notification(_) = message {
            let _ = news.try_send(()); // full: it is about to look anyway
        }
    }
}

async fn within<T>(
    asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, SourceFailure> {
    match tokio::time::timeout(ANSWER_WITHIN, asked).await {
        Ok(answered) => answered.map_err(|error| failure(&error)),
        Err(_) => Err(transient("Postgres does not answer".into())),
    }
}

/// Whose fault it is, by the class of its SQLSTATE (appendix A of the manual of Postgres).
fn failure(error: &tokio_postgres::Error) -> SourceFailure {
    let mut reason = format!("Postgres: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        reason = format!("{reason}: {deeper}");
        cause = deeper.source();
    }
    let Some(code) = error.code() else {
        // What we gave it is not enough, such as no password; the client keeps its sort of errors to itself.
        return if reason.contains("invalid configuration") { config(reason) } else { transient(reason) };
    };
    match code.code() {
        "42501" => auth(reason), // insufficient_privilege
        code if code.starts_with("28") => auth(reason),
        // invalid_catalog_name; syntax error or access rule violation, such as a table of another shape
        code if code.starts_with("3D") || code.starts_with("42") => config(reason),
        _ => transient(reason),
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("table", &self.table).finish_non_exhaustive() // the URL may have a password
    }
}

impl<R: Runtime> Discovery<R> for Postgres {
    fn source(&self) -> Source {
        Source::new("postgres").expect("a good name")
    }

    async fn run(&mut self, _runtime: R, me: Announced, sink: ObservationSink) {
        let source = self.clone();
        in_thread("postgres", sink, move |desk| source.work(&me, desk)).await;
    }
}

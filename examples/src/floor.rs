//! The floor under every remote figure: the sockets of a runtime, its tasks, and nothing of skep in between.
//!
//! Both ends of a connection run the same flavour of the same runtime, in two processes. `ping_pong` bounces one
//! message at a time; `multiplexed` lets many tasks share one connection, as a link does.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::channel::mpsc;
use futures::{StreamExt, future};
use skep_tcp::{Connection, TcpSockets};

/// The bytes of one message: about those of a claim for a short name.
pub const MESSAGE: usize = 64;

/// Read at once, as a link does.
const READ: usize = 64 << 10;

/// Listens on a free loopback port, says where, and sends back whatever comes, to everyone, for ever.
///
/// # Errors
/// No such socket, or no way to accept.
pub async fn echo<R: TcpSockets>(runtime: &R, ready: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    ready(socket.local_addr()?);
    let mut listener = runtime.listen(socket)?;
    loop {
        let (Connection { mut reader, mut writer }, _) = R::accept(&mut listener).await?;
        runtime.spawn(async move {
            let mut buffer = vec![0; READ];
            while let Ok(length @ 1..) = R::read(&mut reader, &mut buffer).await {
                if write_all::<R>(&mut writer, &buffer[..length]).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// How long each of `rounds` round trips took, sorted. The first tenth, unsorted, is left out: it warms up.
///
/// # Errors
/// The connection broke.
pub async fn ping_pong<R: TcpSockets>(
    runtime: &R,
    echo: SocketAddr,
    rounds: usize,
) -> io::Result<Vec<Duration>> {
    let Connection { mut reader, mut writer } = runtime.connect(echo).await?;
    // A task of its own: what `block_on` itself runs is woken in another way.
    let (sender, mut receiver) = mpsc::unbounded();
    runtime.spawn(async move {
        let mut buffer = [0; MESSAGE];
        for _ in 0..rounds + rounds / 10 {
            let began = Instant::now();
            let took = match round_trip::<R>(&mut reader, &mut writer, &mut buffer).await {
                Ok(()) => Ok(began.elapsed()),
                Err(error) => Err(error),
            };
            if sender.unbounded_send(took).is_err() {
                return;
            }
        }
    });
    let mut all = Vec::with_capacity(rounds + rounds / 10);
    while let Some(took) = receiver.next().await {
        all.push(took?);
    }
    let mut warm = all.split_off(rounds / 10);
    warm.sort_unstable();
    Ok(warm)
}

async fn round_trip<R: TcpSockets>(
    reader: &mut R::Reader,
    writer: &mut R::Writer,
    buffer: &mut [u8; MESSAGE],
) -> io::Result<()> {
    write_all::<R>(writer, buffer).await?;
    let mut filled = 0;
    while filled < MESSAGE {
        match R::read(reader, &mut buffer[filled..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => filled += length,
        }
    }
    Ok(())
}

/// Round trips in a second, when `tasks` tasks make `each` one after the other over one connection: one task
/// writes all that waits at once, one reads and wakes whom it was for.
///
/// # Errors
/// The connection broke.
pub async fn multiplexed<R: TcpSockets>(
    runtime: &R,
    echo: SocketAddr,
    tasks: usize,
    each: usize,
) -> io::Result<f64> {
    let Connection { mut reader, mut writer } = runtime.connect(echo).await?;
    let (to_writer, mut from_tasks) = mpsc::unbounded::<usize>();
    runtime.spawn(async move {
        let mut batch = Vec::new();
        while let Some(task) = from_tasks.next().await {
            message(task, &mut batch);
            while let Ok(task) = from_tasks.try_recv() {
                message(task, &mut batch);
            }
            if write_all::<R>(&mut writer, &batch).await.is_err() {
                return;
            }
            batch.clear();
        }
    });
    let (wake, wakened): (Vec<_>, Vec<_>) = (0..tasks).map(|_| mpsc::unbounded::<()>()).unzip();
    runtime.spawn(async move {
        let (mut buffer, mut filled) = (vec![0; READ], 0);
        while let Ok(length @ 1..) = R::read(&mut reader, &mut buffer[filled..]).await {
            filled += length;
            let whole = filled - filled % MESSAGE;
            for message in buffer[..whole].chunks(MESSAGE) {
                let task = u32::from_le_bytes([message[0], message[1], message[2], message[3]]);
                let _ = wake[task as usize].unbounded_send(()); // a task that is through waits no more
            }
            buffer.copy_within(whole..filled, 0);
            filled -= whole;
        }
    });
    let began = Instant::now();
    let (done, finished) = mpsc::unbounded();
    for (task, mut wakened) in wakened.into_iter().enumerate() {
        let (to_writer, done) = (to_writer.clone(), done.clone());
        runtime.spawn(async move {
            for _ in 0..each {
                if to_writer.unbounded_send(task).is_err() || wakened.next().await.is_none() {
                    return;
                }
            }
            let _ = done.unbounded_send(()); // nobody asks any more
        });
    }
    drop((done, to_writer));
    let finished = finished.fold(0, |count, ()| future::ready(count + 1)).await;
    if finished < tasks {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((tasks * each) as f64 / began.elapsed().as_secs_f64())
}

fn message(task: usize, batch: &mut Vec<u8>) {
    let start = batch.len();
    batch.extend_from_slice(&u32::try_from(task).expect("few tasks").to_le_bytes());
    batch.resize(start + MESSAGE, 0);
}

async fn write_all<R: TcpSockets>(writer: &mut R::Writer, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = R::write(writer, bytes).await?;
        bytes = &bytes[written..];
    }
    Ok(())
}

//! The layer between a command and the node: each command is a few lines.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures::future::join_all;
use futures::future::{Either, select};
use skep::{
    CallError, Handled, Node, NodeEnded, OneOf1, RegisterError, Registering, Runtime, SendError, encode_args,
};
use skep_core::id::{Name, Payload};

use crate::answers::{Done, Figures, NotDone, Outcome, RegisteredName, RunningWorker};
use crate::commands::{Asked, Command, HELP, Wanted};
use crate::kinds::{Text, Who};

/// How much later than its deadline an answer may come from the node before one is given without it.
const GRACE: Duration = Duration::from_millis(100);

/// Carries out a command; answers by its deadline.
pub(super) async fn execute<R: Runtime>(runtime: R, node: Node, asked: Asked) -> Outcome {
    let deadline = runtime.now() + asked.timeout + GRACE;
    let late = runtime.sleep_until(deadline);
    match select(pin!(carry_out(runtime, node, asked)), pin!(late)).await {
        Either::Left((result, _)) => result.into(),
        Either::Right(((), _)) => Outcome::Error(NotDone::Timeout),
    }
}

async fn carry_out<R: Runtime>(runtime: R, node: Node, asked: Asked) -> Result<Done, NotDone> {
    let timeout = asked.timeout;
    match asked.command {
        Command::Register { name, worker } => {
            let args = encode(&worker)?;
            let registering = node.register_raw(name.as_str(), worker.kind.as_str(), args, timeout);
            Ok(on_roles(registering, &worker).await?.into())
        }
        Command::RegisterMany { names, worker } => register_many(&node, names, &worker, timeout).await,
        Command::Unregister { name } => {
            node.unregister(name.as_str(), timeout).await?;
            Ok(Done::Nothing {})
        }
        Command::Whereis { name } => {
            node.registration(name.as_str()).map(Done::from).ok_or(NotDone::NotFound)
        }
        Command::WhereisConsistent { name } => {
            Ok(node.whereis_consistent(name.as_str(), timeout).await?.into())
        }
        Command::WhereisOrRegister { name, worker } => {
            let args = encode(&worker)?;
            let kind = worker.kind.as_str();
            let registering = node.whereis_or_register_raw(name.as_str(), kind, args, timeout);
            let found = on_roles(registering, &worker).await?;
            Ok(Done::from(found.registration).with_started(found.started))
        }
        Command::Registered => registered(&node).await,
        Command::Workers => {
            let workers = node.workers().await?.into_iter().map(RunningWorker::from).collect();
            Ok(Done::Workers { workers })
        }
        Command::Call { name, text } => {
            let reply = node.call(name.as_str(), Text(text), timeout).await?;
            Ok(Done::Reply { reply })
        }
        Command::Send { name, text } => {
            node.send(name.as_str(), Text(text))?;
            Ok(Done::Nothing {})
        }
        Command::Join { group, name } => {
            node.join_group(group.as_str(), name.as_str(), timeout).await?;
            Ok(Done::Nothing {})
        }
        Command::Leave { group, name } => {
            node.leave_group(group.as_str(), name.as_str(), timeout).await?;
            Ok(Done::Nothing {})
        }
        Command::Members { group } => {
            let members = node.members_of(group.as_str()).into_iter().map(Into::into).collect();
            Ok(Done::Members { members })
        }
        Command::Publish { group, text } => {
            Ok(Done::Published { members: node.publish(group.as_str(), Text(text))? })
        }
        Command::MultiCall { group, text } => {
            let replies = node.multi_call(group.as_str(), Text(text), timeout).await;
            Ok(Done::Replies { replies: replies.into_iter().map(Into::into).collect() })
        }
        Command::Attach { name } => attach(&runtime, &node, name, timeout).await,
        Command::Nodes => {
            let nodes = node.members().await?.into_iter().map(Into::into).collect();
            Ok(Done::Nodes { me: node.name().to_string(), nodes })
        }
        Command::Owner { name } => Ok(node.owner(name).await?.into()),
        Command::Drain => Ok(Done::Moved { moved: node.drain(timeout).await? }),
        Command::Stats => Ok(Done::Stats(Figures::new(node.counters().await?, node.limits_reached()))),
        Command::Help => Ok(Done::Help { help: HELP }),
        Command::Quit => unreachable!("the session itself quits"),
    }
}

/// All kinds of the examples take text.
fn encode(worker: &Wanted) -> Result<Payload, NotDone> {
    encode_args(0, &worker.args).map_err(|bad| NotDone::TooLarge { reason: format!("the argument {bad}") })
}

fn on_roles<T>(registering: Registering<T>, worker: &Wanted) -> Registering<T> {
    worker.roles.iter().fold(registering, Registering::on_role)
}

async fn register_many(
    node: &Node,
    names: Vec<Name>,
    worker: &Wanted,
    timeout: Duration,
) -> Result<Done, NotDone> {
    let args = encode(worker)?;
    let began = Instant::now();
    let (mut registered, mut already, mut failed) = (0, 0, 0);
    let results = if worker.roles.is_empty() {
        let workers = names.iter().map(|name| (name, args.clone()));
        node.register_many_raw(workers, worker.kind.as_str(), timeout).await
    } else {
        let claim = |name| {
            on_roles(node.register_raw(name, worker.kind.as_str(), args.clone(), timeout), worker)
                .into_future()
        };
        join_all(names.iter().map(claim)).await
    };
    for result in results {
        match result {
            Ok(_) => registered += 1,
            Err(RegisterError::AlreadyRegistered { .. }) => already += 1,
            Err(_) => failed += 1,
        }
    }
    Ok(Done::Many { registered, already, failed, ms: began.elapsed().as_secs_f64() * 1000.0 })
}

async fn registered(node: &Node) -> Result<Done, NotDone> {
    let names = node.registered().await?.into_iter().map(RegisteredName::from).collect();
    Ok(Done::Names { names })
}

/// A plain task of this process, which answers as all kinds do until its name is taken from it.
async fn attach(runtime: &impl Runtime, node: &Node, name: Name, timeout: Duration) -> Result<Done, NotDone> {
    let mut attached = node.attach::<(Text,)>(name.as_str(), timeout).await?;
    let registration = attached.registration().clone();
    let who = Who::attached(&registration);
    runtime.spawn(async move {
        while let Some(OneOf1::First(call)) = attached.next().await {
            call.answer(|Text(text)| who.answer(&text, registration.epoch));
        }
    });
    Ok(registration.into())
}

impl From<NodeEnded> for NotDone {
    fn from(_: NodeEnded) -> Self {
        Self::Leaving
    }
}

impl From<CallError> for NotDone {
    fn from(error: CallError) -> Self {
        let handled = match error.handled() {
            Handled::No => "no",
            Handled::Maybe => "maybe",
        };
        match error {
            CallError::NotFound => Self::NotFound,
            CallError::Timeout { .. } => Self::Timeout,
            CallError::MessageTooLarge { .. } => Self::TooLarge { reason: error.to_string() },
            CallError::Ended => Self::Leaving,
            _ => Self::WorkerFailed { handled, reason: error.to_string() },
        }
    }
}

impl From<SendError> for NotDone {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NotFound => Self::NotFound,
            SendError::MailboxFull => Self::MailboxFull,
            SendError::MessageTooLarge { .. } => Self::TooLarge { reason: error.to_string() },
            _ => Self::NotReachable { reason: error.to_string() },
        }
    }
}

//! One loop for all that a running node hears and says: commands, answers, events, signals, its end.

use std::io;
use std::time::Duration;

use futures::future::{BoxFuture, Fuse, FusedFuture};
use futures::{FutureExt, StreamExt, select_biased};
use skep::{Ending, Events, Node, Runtime};

use super::execute::execute;
use crate::answers::{Answer, Done, NotDone, Outcome};
use crate::commands::{Asked, Command};
use crate::events::News;
use crate::page::Page;
use crate::prompt::{Heard, Prompt};

/// How long a node that was told to end, other than by `quit`, has to hand its workers over.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);

/// A running node and who talks to it.
pub(super) struct Session<R> {
    runtime: R,
    node: Node,
    page: Page,
    /// The command that is being carried out, and its word.
    running: Option<&'static str>,
    outcome: Fuse<BoxFuture<'static, Outcome>>,
    /// Whether `quit` is what ends the node.
    quit: bool,
    left: Fuse<BoxFuture<'static, ()>>,
}

impl<R: Runtime> Session<R> {
    pub(super) fn new(runtime: R, node: Node, page: Page) -> Self {
        let (outcome, left) = (Fuse::terminated(), Fuse::terminated());
        Self { runtime, node, page, running: None, outcome, quit: false, left }
    }

    /// Until the node was told to end, and has.
    ///
    /// # Errors
    /// Why it ended if it was not told to.
    pub(super) async fn run(mut self, events: Events, mut prompt: Prompt) -> Result<(), Ending> {
        let mut events = events.fuse();
        let node = self.node.clone();
        let mut ended = async move { node.ended().await }.boxed().fuse();
        loop {
            let said = select_biased! {
                news = events.select_next_some() => self.news(news),
                outcome = &mut self.outcome => self.answer(outcome, &prompt),
                () = &mut self.left => {
                    // Nobody may be left to read them.
                    let _ = self.last_words(events);
                    return Ok(());
                }
                ending = &mut ended => match ending {
                    Ending::Left => Ok(()), // the leaving above says the rest
                    ending => return Err(ending),
                },
                heard = prompt.heard.select_next_some() => match heard {
                    Heard::Line(line) => self.line(&line, &prompt),
                    Heard::End => {
                        self.leave(LEAVE_WITHIN);
                        Ok(())
                    }
                },
                _ = &mut prompt.told_to_end => {
                    self.leave(LEAVE_WITHIN);
                    Ok(())
                }
            };
            if said.is_err() {
                self.leave(LEAVE_WITHIN); // nobody reads any more
            }
        }
    }

    fn news(&mut self, news: skep::News) -> io::Result<()> {
        let news = match news {
            skep::News::Event(event) => News::of(event),
            skep::News::Missed(count) => Some(News::Missed { count }),
            _ => None,
        };
        news.map_or(Ok(()), |news| self.page.news(&news))
    }

    /// Begins to carry out a line, or answers it at once.
    fn line(&mut self, line: &str, prompt: &Prompt) -> io::Result<()> {
        if line.trim().is_empty() {
            prompt.next();
            return Ok(());
        }
        match line.parse::<Asked>() {
            Ok(Asked { command: Command::Quit, timeout, .. }) => {
                self.quit = true;
                self.leave(timeout);
                Ok(())
            }
            Ok(asked) => {
                self.running = Some(asked.word);
                self.outcome = execute(self.runtime.clone(), self.node.clone(), asked).boxed().fuse();
                Ok(())
            }
            Err(mistake) => {
                self.page.answer(&mistake.into())?;
                prompt.next();
                Ok(())
            }
        }
    }

    fn answer(&mut self, outcome: Outcome, prompt: &Prompt) -> io::Result<()> {
        let Some(word) = self.running.take() else { return Ok(()) };
        self.page.answer(&Answer { command: word.into(), outcome })?;
        prompt.next();
        Ok(())
    }

    /// Begins to hand the workers over and to leave; what was asked before may still be answered.
    fn leave(&mut self, within: Duration) {
        if self.left.is_terminated() {
            let node = self.node.clone();
            self.left = async move { node.leave(within).await }.boxed().fuse();
        }
    }

    /// The events on the way to the end, and the answers that are still owed.
    fn last_words(mut self, mut events: futures::stream::Fuse<Events>) -> io::Result<()> {
        while let Some(Some(news)) = events.next().now_or_never() {
            self.news(news)?;
        }
        if let Some(word) = self.running {
            let outcome = self.outcome.now_or_never().unwrap_or(Outcome::Error(NotDone::Leaving));
            self.page.answer(&Answer { command: word.into(), outcome })?;
        }
        if self.quit {
            self.page.answer(&Answer { command: "quit".into(), outcome: Outcome::Ok(Done::Nothing {}) })?;
        }
        Ok(())
    }
}

//! A prompt with history and line editing, and a page that does not tear it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, fs};

use rustyline::completion::Completer;
use rustyline::error::{ReadlineError, Signal};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};

use super::Ears;
use crate::page::{Edited, PROMPT, Page};

pub(super) type LineEditor = Editor<Watcher, FileHistory>;

/// Tells the page what is being typed. rustyline's own printer beside the prompt is no choice: with one, keys that
/// arrive together (a paste, a script) wait in a buffer until another key comes.
pub(super) struct Watcher(Edited);

impl Helper for Watcher {}

impl Completer for Watcher {
    type Candidate = String;
}

impl Highlighter for Watcher {}

impl Validator for Watcher {}

impl Hinter for Watcher {
    type Hint = String;

    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.0.set(Some(line));
        None
    }
}

pub(super) fn open() -> rustyline::Result<(LineEditor, Page)> {
    let config = Config::builder().auto_add_history(true).max_history_size(1000)?;
    // Each line of what is pasted is a command, as if it were typed.
    let config = config.bracketed_paste(false).build();
    let mut editor = LineEditor::with_config(config)?;
    let edited = Edited::default();
    editor.set_helper(Some(Watcher(edited.clone())));
    Ok((editor, Page::beside_prompt(edited)))
}

pub(super) fn read(mut editor: LineEditor, mut ears: Ears, signalled: &AtomicBool) {
    let history = history_file();
    if let Some(path) = &history {
        // There is none the first time; without one, up and down still know this session.
        let _ = editor.load_history(path);
    }
    loop {
        let read = editor.readline(PROMPT);
        if let Some(watcher) = editor.helper() {
            watcher.0.set(None);
        }
        match read {
            Ok(line) => {
                if !ears.line(line) {
                    return;
                }
            }
            Err(ReadlineError::Signal(Signal::Resize)) => {}
            // The terminal is raw while a line is edited: Ctrl-C is a key then, and means the signal.
            Err(ReadlineError::Interrupted) => {
                signalled.store(true, Ordering::SeqCst);
                break;
            }
            Err(_) => break,
        }
    }
    if let Some(path) = &history {
        let _ = path.parent().map(fs::create_dir_all);
        let _ = editor.save_history(path);
    }
    ears.end();
}

/// `$XDG_STATE_HOME/skep/history`, else `~/.local/state/skep/history`.
fn history_file() -> Option<PathBuf> {
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".local/state")))?;
    Some(state.join("skep").join("history"))
}

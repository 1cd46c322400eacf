//! A prompt with history and line editing, and a page that does not tear it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, fs};

use rustyline::error::{ReadlineError, Signal};
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};

use super::Ears;
use crate::page::Page;

pub(super) type LineEditor = Editor<(), FileHistory>;

pub(super) fn open() -> rustyline::Result<(LineEditor, Page)> {
    let config = Config::builder().auto_add_history(true).max_history_size(1000)?.build();
    let mut editor = LineEditor::with_config(config)?;
    let page = Page::beside_prompt(editor.create_external_printer()?);
    Ok((editor, page))
}

pub(super) fn read(mut editor: LineEditor, mut ears: Ears, signalled: &AtomicBool) {
    let history = history_file();
    if let Some(path) = &history {
        // There is none the first time; without one, up and down still know this session.
        let _ = editor.load_history(path);
    }
    loop {
        match editor.readline("skep> ") {
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

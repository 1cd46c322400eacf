//! Topologies of the file under those of the environment: what variables say is put into the file's tables before these
//! are understood, so that each key can come from either, and a mistake is told with its line or its variable.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::environment::{Setting, items};
use super::{OptionsError, mistake};

/// A file's tables with the settings of variables in them, each at a place of its own behind the file's end.
pub(super) struct Overlay<'a> {
    file_length: usize,
    settings: &'a [Setting],
}

impl<'a> Overlay<'a> {
    pub(super) fn new(file_length: usize, settings: &'a [Setting]) -> Self {
        Self { file_length, settings }
    }

    /// Puts all settings in.
    ///
    /// # Errors
    /// [`OptionsError::Mistake`], for one that fits nowhere.
    pub(super) fn put(&self, file: &mut DeTable<'a>) -> Result<(), OptionsError> {
        for (at, setting) in self.settings.iter().enumerate() {
            self.put_one(file, setting, at)?;
        }
        Ok(())
    }

    /// The variable whose place this is; `None`: it is in the file.
    pub(super) fn variable_at(&self, place: usize) -> Option<&str> {
        let at = place.checked_sub(self.file_length + 1)?;
        self.settings.get(at).map(|setting| setting.variable.as_str())
    }

    fn put_one(&self, file: &mut DeTable<'a>, setting: &'a Setting, at: usize) -> Result<(), OptionsError> {
        let place = self.file_length + 1 + at..self.file_length + 2 + at;
        let (key, tables) = setting.path.split_last().expect("it has three parts at least");
        let mut table = table_in(file, "TOPOLOGY", setting, &place)?;
        for (depth, part) in tables.iter().enumerate() {
            if depth == 1 {
                // Another source than the file's takes its place.
                let is_other = |key: &&Spanned<DeString<'_>>| {
                    segment(key.get_ref()) != *part && self.variable_at(key.span().start).is_none()
                };
                let others: Vec<String> = table.keys().filter(is_other).map(|key| key.to_string()).collect();
                others.iter().for_each(|other| drop(table.remove(other.as_str())));
            }
            table = table_in(table, part, setting, &place)?;
        }
        let name = name_in(table, key, setting)?;
        table.remove(name.as_str());
        let value = value(key, setting, &place)?;
        table.insert(Spanned::new(place.clone(), name.into()), Spanned::new(place, value));
        Ok(())
    }
}

/// The table that this part of a variable's name stands for, made if there is none.
fn table_in<'t, 'a>(
    table: &'t mut DeTable<'a>,
    part: &str,
    setting: &Setting,
    place: &Range<usize>,
) -> Result<&'t mut DeTable<'a>, OptionsError> {
    let name = name_in(table, part, setting)?;
    let made = Spanned::new(place.clone(), DeValue::Table(DeTable::new()));
    let key = Spanned::new(place.clone(), DeString::from(name.clone()));
    match table.entry(key).or_insert(made).get_mut() {
        DeValue::Table(inner) => Ok(inner),
        _ => mistake(format!("{}: '{name}' has no parts in the file", setting.variable)),
    }
}

/// What a part of a variable's name stands for there: the one name that looks like it in capitals, else a new one.
fn name_in(table: &DeTable<'_>, part: &str, setting: &Setting) -> Result<String, OptionsError> {
    let mut alike = table.keys().map(|key| key.get_ref().as_ref()).filter(|name| segment(name) == part);
    match (alike.next(), alike.next()) {
        (None, _) => Ok(part.to_lowercase().replace('_', "-")),
        (Some(name), None) => Ok(name.to_owned()),
        (Some(one), Some(other)) => {
            mistake(format!("{}: it may stand for '{one}' or for '{other}'", setting.variable))
        }
    }
}

/// A name as variables spell it.
fn segment(name: &str) -> String {
    name.chars().map(|it| if it.is_ascii_alphanumeric() { it.to_ascii_uppercase() } else { '_' }).collect()
}

/// What a variable says, as the file would say it.
fn value<'a>(key: &str, setting: &'a Setting, place: &Range<usize>) -> Result<DeValue<'a>, OptionsError> {
    match key {
        "PEERS" => {
            let item = |item: &'a str| Spanned::new(place.clone(), DeValue::String(item.into()));
            Ok(DeValue::Array(items(&setting.text).map(item).collect()))
        }
        "PORT" => match DeValue::parse(&setting.text).map(Spanned::into_inner) {
            Ok(DeValue::Integer(number)) => Ok(DeValue::Integer(number)),
            Ok(_) | Err(_) => mistake(format!("{}: '{}' is no number", setting.variable, setting.text)),
        },
        _ => Ok(DeValue::String(setting.text.as_str().into())),
    }
}

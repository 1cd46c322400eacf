//! Reads a message from given parts, some of which it changes, or from parts that it draws.

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, SeqAccess, VariantAccess, Visitor,
};

use super::tree::{Node, Shape};
use super::{Arbitrary, Unfit};

/// Reads one part: the given one, or any.
pub(super) struct Reader<'a, 'n> {
    from: &'a mut Arbitrary,
    given: Option<&'n Node>,
    word: &'static str,
}

impl<'a, 'n> Reader<'a, 'n> {
    pub(super) fn new(from: &'a mut Arbitrary, given: Option<&'n Node>) -> Self {
        Self { from, given, word: "" }
    }

    /// The given part, unless this one is to be another.
    fn kept(&mut self) -> Option<&'n Node> {
        let given = self.given?;
        (self.from.rate == 0 || !self.from.changes()).then_some(given)
    }

    fn number(mut self) -> u128 {
        let given = match self.given {
            Some(Node::Number(_, number)) => Some(*number),
            _ => None,
        };
        match (self.kept(), self.given) {
            (Some(Node::Number(_, number)), _) => *number,
            (_, Some(Node::Number(word, _))) => self.from.number(word, given),
            _ => self.from.number(epoch_or(self.word), None),
        }
    }
}

/// Epochs are read as the numbers that they are: they are known by the fields that they stand in.
fn epoch_or(word: &'static str) -> &'static str {
    match word {
        "epoch" | "replaces" | "newest" | "stamp" | "winner" | "beaten" | "last" => "Epoch",
        word => word,
    }
}

macro_rules! numbers {
    ($($method:ident: $visit:ident, $type:ty),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
            visitor.$visit(self.number() as $type)
        })*
    };
}

/// What no message has.
macro_rules! strangers {
    ($($method:ident),*) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unfit> {
            Err(Unfit)
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'_, '_> {
    type Error = Unfit;

    numbers!(
        deserialize_u8: visit_u8, u8,
        deserialize_u16: visit_u16, u16,
        deserialize_u32: visit_u32, u32,
        deserialize_u64: visit_u64, u64,
        deserialize_u128: visit_u128, u128
    );
    strangers!(
        deserialize_any,
        deserialize_ignored_any,
        deserialize_identifier,
        deserialize_map,
        deserialize_i8,
        deserialize_i16,
        deserialize_i32,
        deserialize_i64,
        deserialize_f32,
        deserialize_f64,
        deserialize_char
    );

    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unfit> {
        match self.kept() {
            Some(Node::Truth(truth)) => visitor.visit_bool(*truth),
            _ => visitor.visit_bool(self.from.below(2) == 0),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unfit> {
        match (self.kept(), self.given) {
            (Some(Node::Text(_, text)), _) => visitor.visit_str(text),
            (_, Some(Node::Text(word, _))) => visitor.visit_string(self.from.text(word)),
            _ => visitor.visit_string(self.from.text(self.word)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unfit> {
        match self.kept() {
            Some(Node::Bytes(bytes)) => visitor.visit_bytes(bytes),
            _ => visitor.visit_byte_buf(self.from.bytes()),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unfit> {
        match self.kept() {
            Some(Node::Optional(None)) => visitor.visit_none(),
            Some(Node::Optional(Some(inner))) => visitor.visit_some(Reader { given: Some(inner), ..self }),
            _ if self.from.below(2) == 0 => visitor.visit_none(),
            _ => visitor.visit_some(Reader { given: None, ..self }),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(Reader { word: name, ..self })
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Unfit> {
        let list = match self.kept() {
            Some(Node::Many(Shape::List, given)) => List::Given(given, self.from.tampering(given.len())),
            _ => List::Drawn(self.from.length()),
        };
        visitor.visit_seq(Items { from: self.from, list, word: self.word, at: 0 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_seq(self.fields(Fields::Unnamed(length)))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_seq(self.fields(Fields::Named(fields)))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        let (variant, given) = match self.kept() {
            Some(Node::Variant(variant, given)) => (*variant, Some(given.as_slice())),
            _ => (self.from.below(variants.len()) as u32, None),
        };
        visitor.visit_enum(Choice { from: self.from, variant, given, word: self.word })
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl<'a, 'n> Reader<'a, 'n> {
    /// The parts of a struct or a tuple: all of them, whatever is given.
    fn fields(self, fields: Fields) -> FieldReader<'a, 'n> {
        let given = match self.given {
            Some(Node::Many(Shape::Fixed, given)) => Some(given.as_slice()),
            _ => None,
        };
        FieldReader { from: self.from, given, fields, word: self.word, at: 0 }
    }
}

impl Arbitrary {
    /// What is done to a given list as such.
    fn tampering(&mut self, length: usize) -> Tampering {
        if self.rate == 0 || !self.changes() {
            return Tampering::None;
        }
        let at = self.below(length);
        [Tampering::Skip(at), Tampering::Twice(at), Tampering::Add(at)][self.below(3)]
    }
}

#[derive(Clone, Copy)]
enum Fields {
    Named(&'static [&'static str]),
    Unnamed(usize),
}

struct FieldReader<'a, 'n> {
    from: &'a mut Arbitrary,
    given: Option<&'n [Node]>,
    fields: Fields,
    word: &'static str,
    at: usize,
}

impl<'de> SeqAccess<'de> for FieldReader<'_, '_> {
    type Error = Unfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unfit> {
        let word = match self.fields {
            Fields::Named(fields) => fields.get(self.at).copied(),
            Fields::Unnamed(length) => (self.at < length).then_some(self.word),
        };
        let Some(word) = word else {
            return Ok(None);
        };
        let given = self.given.and_then(|given| given.get(self.at));
        self.at += 1;
        self.from.left = self.from.left.saturating_sub(1);
        seed.deserialize(Reader { from: self.from, given, word }).map(Some)
    }
}

/// What is done to a given list: an element is left out, comes twice, or a drawn one comes before it.
#[derive(Clone, Copy)]
enum Tampering {
    None,
    Skip(usize),
    Twice(usize),
    Add(usize),
}

enum List<'n> {
    Given(&'n [Node], Tampering),
    Drawn(usize),
}

struct Items<'a, 'n> {
    from: &'a mut Arbitrary,
    list: List<'n>,
    word: &'static str,
    at: usize,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Unfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unfit> {
        let given = match &mut self.list {
            List::Drawn(length) if self.at < *length && self.from.left > 0 => None,
            List::Drawn(_) => return Ok(None),
            List::Given(given, tampering) => {
                if matches!(tampering, Tampering::Skip(at) if *at == self.at) {
                    self.at += 1;
                }
                let node = given.get(self.at);
                match *tampering {
                    Tampering::Twice(at) if at == self.at => {
                        *tampering = Tampering::None;
                        self.at = self.at.wrapping_sub(1); // and again
                    }
                    Tampering::Add(at) if at == self.at => {
                        *tampering = Tampering::None;
                        let drawn = Reader { from: self.from, given: None, word: self.word };
                        return seed.deserialize(drawn).map(Some);
                    }
                    Tampering::None | Tampering::Skip(_) | Tampering::Twice(_) | Tampering::Add(_) => {}
                }
                let Some(node) = node else {
                    return Ok(None);
                };
                Some(node)
            }
        };
        self.at = self.at.wrapping_add(1);
        seed.deserialize(Reader { from: self.from, given, word: self.word }).map(Some)
    }
}

struct Choice<'a, 'n> {
    from: &'a mut Arbitrary,
    variant: u32,
    given: Option<&'n [Node]>,
    word: &'static str,
}

impl<'de, 'a, 'n> EnumAccess<'de> for Choice<'a, 'n> {
    type Error = Unfit;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Unfit> {
        let variant: U32Deserializer<Unfit> = self.variant.into_deserializer();
        Ok((seed.deserialize(variant)?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_, '_> {
    type Error = Unfit;

    fn unit_variant(self) -> Result<(), Unfit> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Unfit> {
        let given = self.given.and_then(<[Node]>::first);
        seed.deserialize(Reader { from: self.from, given, word: self.word })
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Unfit> {
        let Self { from, given, word, .. } = self;
        visitor.visit_seq(FieldReader { from, given, fields: Fields::Unnamed(length), word, at: 0 })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        let Self { from, given, word, .. } = self;
        visitor.visit_seq(FieldReader { from, given, fields: Fields::Named(fields), word, at: 0 })
    }
}

//! A message in its parts: what its encoding says of itself, each number and text with the word it stands under.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::ser::{self, Impossible, Serialize, Serializer};

use super::Unfit;
use crate::wire::message::Message;

/// A part. Newtypes are what they hold, under their own name.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Node {
    Number(&'static str, u128),
    Truth(bool),
    Text(&'static str, String),
    Bytes(Vec<u8>),
    Optional(Option<Box<Node>>),
    /// Of a struct, a tuple or a list.
    Many(Shape, Vec<Node>),
    Variant(u32, Vec<Node>),
}

/// Whether parts can be more or fewer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    Fixed,
    List,
}

/// The parts of a message.
pub(super) fn of(message: &Message) -> Node {
    message.write(Writer("")).expect("messages are numbers, texts and lists")
}

/// Writes under this word.
#[derive(Clone, Copy)]
struct Writer(&'static str);

/// Parts as they come.
struct Parts {
    word: &'static str,
    shape: Shape,
    variant: Option<u32>,
    nodes: Vec<Node>,
}

impl Parts {
    fn new(word: &'static str, shape: Shape, variant: Option<u32>) -> Self {
        Self { word, shape, variant, nodes: Vec::new() } // no with_capacity: tests have time
    }

    fn add<T: Serialize + ?Sized>(&mut self, word: &'static str, part: &T) -> Result<(), Unfit> {
        self.nodes.push(part.serialize(Writer(word))?);
        Ok(())
    }

    fn whole(self) -> Node {
        match self.variant {
            Some(variant) => Node::Variant(variant, self.nodes),
            None => Node::Many(self.shape, self.nodes),
        }
    }
}

macro_rules! numbers {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, number: $type) -> Result<Node, Unfit> {
            Ok(Node::Number(self.0, u128::from(number)))
        })*
    };
}

/// What no message has.
macro_rules! strangers {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, _: $type) -> Result<Node, Unfit> {
            Err(Unfit)
        })*
    };
}

impl Serializer for Writer {
    type Ok = Node;
    type Error = Unfit;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Impossible<Node, Unfit>;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    numbers!(serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128);
    strangers!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64);
    strangers!(serialize_f32: f32, serialize_f64: f64);

    fn serialize_bool(self, truth: bool) -> Result<Node, Unfit> {
        Ok(Node::Truth(truth))
    }

    fn serialize_char(self, letter: char) -> Result<Node, Unfit> {
        Ok(Node::Text(self.0, letter.to_string()))
    }

    fn serialize_str(self, text: &str) -> Result<Node, Unfit> {
        Ok(Node::Text(self.0, text.to_owned()))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Node, Unfit> {
        Ok(Node::Bytes(bytes.to_vec()))
    }

    fn serialize_none(self) -> Result<Node, Unfit> {
        Ok(Node::Optional(None))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, inner: &T) -> Result<Node, Unfit> {
        Ok(Node::Optional(Some(Box::new(inner.serialize(self)?))))
    }

    fn serialize_unit(self) -> Result<Node, Unfit> {
        Ok(Node::Many(Shape::Fixed, Vec::new()))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Node, Unfit> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Result<Node, Unfit> {
        Ok(Node::Variant(index, Vec::new()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        inner: &T,
    ) -> Result<Node, Unfit> {
        inner.serialize(Writer(name))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        inner: &T,
    ) -> Result<Node, Unfit> {
        Ok(Node::Variant(index, Vec::from([inner.serialize(self)?])))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts, Unfit> {
        Ok(Parts::new(self.0, Shape::List, None))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts, Unfit> {
        Ok(Parts::new(self.0, Shape::Fixed, None))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts, Unfit> {
        self.serialize_tuple(0)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts, Unfit> {
        Ok(Parts::new(self.0, Shape::Fixed, Some(index)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Unfit> {
        Err(Unfit)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts, Unfit> {
        self.serialize_tuple(0)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts, Unfit> {
        Ok(Parts::new(self.0, Shape::Fixed, Some(index)))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Parts that have no words of their own: those of lists and tuples.
macro_rules! unnamed {
    ($($trait:ident::$method:ident),*) => {
        $(impl ser::$trait for Parts {
            type Ok = Node;
            type Error = Unfit;

            fn $method<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), Unfit> {
                self.add(self.word, part)
            }

            fn end(self) -> Result<Node, Unfit> {
                Ok(self.whole())
            }
        })*
    };
}

unnamed!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// Parts that have: fields.
macro_rules! named {
    ($($trait:ident),*) => {
        $(impl ser::$trait for Parts {
            type Ok = Node;
            type Error = Unfit;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                word: &'static str,
                part: &T,
            ) -> Result<(), Unfit> {
                self.add(word, part)
            }

            fn end(self) -> Result<Node, Unfit> {
                Ok(self.whole())
            }
        })*
    };
}

named!(SerializeStruct, SerializeStructVariant);

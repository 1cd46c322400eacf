//! What a registration asks of the members that may run it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Together;
use crate::error::BadPlace;
use crate::id::Role;
use crate::wire::List;

/// On which members a worker may run: on those that have all of its roles; and with whom. Stands in the registry
/// beside the kind, so that it holds for every start of the name. Cloning it copies a pointer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place(Option<Arc<Wish>>); // most ask for nothing, and that takes no room

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Wish {
    roles: Vec<Role>,
    together: Option<Together>,
}

impl Place {
    /// The most roles that one registration may ask for.
    pub const MAX_ROLES: usize = 16;

    /// On any member that has its kind.
    pub fn anywhere() -> Self {
        Self(None)
    }

    /// On the members that have all of these roles; in any order, twice counts once.
    ///
    /// # Errors
    /// [`BadPlace`] for more than [`Self::MAX_ROLES`].
    pub fn with(roles: impl IntoIterator<Item = Role>) -> Result<Self, BadPlace> {
        let mut roles: Vec<Role> = roles.into_iter().collect();
        roles.sort_unstable();
        roles.dedup();
        match roles.len() {
            0 => Ok(Self(None)),
            1..=Self::MAX_ROLES => Ok(Self::of(Wish { roles, together: None })),
            count => Err(BadPlace { roles: count }),
        }
    }

    fn of(wish: Wish) -> Self {
        Self((wish != Wish::default()).then(|| Arc::new(wish)))
    }

    /// The same, with the others of this key.
    pub fn together(&self, together: Together) -> Self {
        Self::of(Wish { roles: self.roles().to_vec(), together: Some(together) })
    }

    /// The roles it asks for, in order.
    pub fn roles(&self) -> &[Role] {
        self.0.as_deref().map_or(&[], |wish| &wish.roles)
    }

    /// With whom it belongs together.
    pub fn companions(&self) -> Option<&Together> {
        self.0.as_deref()?.together.as_ref()
    }

    /// About how many bytes it is on the wire.
    pub(crate) fn size(&self) -> usize {
        let roles = self.roles().iter().map(|role| role.as_str().len() + 2).sum::<usize>();
        2 + roles + self.companions().map_or(0, |together| together.key.as_str().len() + 6)
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.roles(), self.companions()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (roles, together) =
            <(List<Role, { Self::MAX_ROLES }>, Option<Together>)>::deserialize(deserializer)?;
        let place = Self::with(roles).map_err(de::Error::custom)?;
        Ok(match together {
            Some(together) => place.together(together),
            None => place,
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn roles(count: usize) -> impl Iterator<Item = Role> {
        (0..count).map(|number| Role::new(format!("r{number}")).expect("a good role"))
    }

    #[test]
    fn one_role_too_many_is_refused_from_users_and_from_peers() {
        assert_eq!(Place::with(roles(16)).map(|place| place.roles().len()), Ok(16));
        assert_eq!(Place::with(roles(17)), Err(BadPlace { roles: 17 }));
        let alone: Option<Together> = None;
        let bytes = postcard::to_allocvec(&(roles(17).collect::<Vec<_>>(), alone)).expect("plain data");
        assert!(postcard::from_bytes::<Place>(&bytes).is_err());
    }

    #[test]
    fn it_arrives_as_it_was_sent() {
        let key = crate::id::Name::new("key").expect("a good name");
        let together = Together { key, bond: crate::placement::Bond::RestForOne, rank: 3 };
        let roled = Place::with(roles(2)).expect("two roles");
        for place in [
            Place::anywhere(),
            roled.clone(),
            Place::anywhere().together(together.clone()),
            roled.together(together),
        ] {
            let bytes = postcard::to_allocvec(&place).expect("plain data");
            assert_eq!(postcard::from_bytes(&bytes), Ok(place));
        }
    }

    #[test]
    fn order_and_repetition_do_not_matter() {
        let [one, two] = ["a", "b"].map(|role| Role::new(role).expect("a good role"));
        let place = Place::with([two.clone(), one.clone(), two.clone()]);
        assert_eq!(place, Place::with([one, two]));
        assert_eq!(Place::with([]), Ok(Place::anywhere()));
    }
}

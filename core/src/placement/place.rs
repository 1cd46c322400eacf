//! What a registration asks of the members that may run it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::BadPlace;
use crate::id::Role;
use crate::wire::List;

/// On which members a worker may run: on those that have all of its roles. Stands in the registry beside the kind,
/// so that it holds for every start of the name. Cloning it copies a pointer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place(Option<Arc<[Role]>>); // most ask for nothing, and that takes no room

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
            1..=Self::MAX_ROLES => Ok(Self(Some(roles.into()))),
            count => Err(BadPlace { roles: count }),
        }
    }

    /// What it asks for, in order.
    pub fn roles(&self) -> &[Role] {
        self.0.as_deref().unwrap_or_default()
    }

    /// About how many bytes it is on the wire.
    pub(crate) fn size(&self) -> usize {
        1 + self.roles().iter().map(|role| role.as_str().len() + 2).sum::<usize>()
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.roles().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let roles = List::<Role, { Self::MAX_ROLES }>::deserialize(deserializer)?;
        Self::with(roles).map_err(de::Error::custom)
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
        let bytes = postcard::to_allocvec(&roles(17).collect::<Vec<_>>()).expect("plain data");
        assert!(postcard::from_bytes::<Place>(&bytes).is_err());
    }

    #[test]
    fn order_and_repetition_do_not_matter() {
        let [one, two] = ["a", "b"].map(|role| Role::new(role).expect("a good role"));
        let place = Place::with([two.clone(), one.clone(), two.clone()]);
        assert_eq!(place, Place::with([one, two]));
        assert_eq!(Place::with([]), Ok(Place::anywhere()));
    }
}

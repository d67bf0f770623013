//! What the server sends with an island.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A prop that the server writes and the browser reads. Leptos writes an island's props on both sides and uses them
/// on the server only; in the browser this writes nothing, so that neither the time nor the code is spent there.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent<T>(pub T);

#[cfg(feature = "ssr")]
impl<T: Serialize> Serialize for Sent<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(not(feature = "ssr"))]
impl<T> Serialize for Sent<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Sent<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

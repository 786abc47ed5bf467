//! The carrier that rings nobody.

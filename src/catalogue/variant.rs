//! A profile in the variant that an image needs.

use std::collections::BTreeMap;

use super::Offer;
use super::profile::DataVolume;
use crate::expand::Source;

/// What a profile offers in one variant.
#[derive(Debug, Clone)]
pub struct Variant {
    /// The leaves that it offers.
    pub offers: Vec<Offer>,
    /// The data volume.
    pub data: DataVolume,
    /// Which layer gives each field of it.
    pub(super) data_by: BTreeMap<&'static str, Source>,
}

impl Variant {
    /// Which layer gives this field of the data volume.
    #[must_use]
    pub fn data_by(&self, field: &str) -> Option<&Source> {
        self.data_by.get(field)
    }

    /// Takes what a stronger layer says of the data volume.
    pub(super) fn take_data(&mut self, data: &DataVolume, source: &Source) {
        self.data = self.data.merged(data);
        self.data_by.extend(data.given().map(|field| (field, source.clone())));
    }
}

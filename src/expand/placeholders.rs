//! What stands in a profile for what is known of the set alone: `$(name)`, `$(peers.voters)`.
//!
//! In any text of a profile, also in the midst of one. What is no placeholder stays as it is:
//! Kubernetes has the same notation for variables (`$(POD_NAME)`), which the kubelet fills in.

use std::borrow::Cow;

use serde_json::Value;

use super::Draft;
use crate::catalogue::Profile;
use crate::catalogue::peers::WhenScaled;
use crate::path::Path;
use crate::quantity::Quantity;

/// A placeholder, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder<'t> {
    /// `$(name)`: of the set.
    Name,
    /// `$(service)`: of the headless Service.
    Service,
    /// `$(replicas)`: the count now.
    Replicas,
    /// `$(replicas.kept)`: the count when the set was formed.
    Formed,
    /// `$(majority.kept)`: more than half of that count.
    Majority,
    /// `$(peers.NAME)`: a list of the profile's.
    Peers(&'t str),
    /// `$(memory.50%.Mi)`: a part of the main container's memory, as a whole number.
    Memory(u32, &'t str),
}

impl<'t> Placeholder<'t> {
    fn parse(word: &'t str) -> Option<Self> {
        Some(match word {
            "name" => Self::Name,
            "service" => Self::Service,
            "replicas" => Self::Replicas,
            "replicas.kept" => Self::Formed,
            "majority.kept" => Self::Majority,
            _ => {
                if let Some(name) = word.strip_prefix("peers.") {
                    return Some(Self::Peers(name));
                }
                let (percent, unit) = word.strip_prefix("memory.")?.split_once("%.")?;
                let percent = percent.parse().ok().filter(|percent| (1..=100).contains(percent))?;
                matches!(unit, "Ki" | "Mi" | "Gi").then_some(Self::Memory(percent, unit))?
            }
        })
    }
}

/// The text with its placeholders filled in.
fn fill(
    text: &str,
    mut with: impl FnMut(Placeholder) -> Result<String, String>,
) -> Result<Cow<'_, str>, String> {
    if !text.contains("$(") {
        return Ok(Cow::Borrowed(text));
    }
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once("$(") {
        filled.push_str(before);
        let read = behind.split_once(')').and_then(|(word, rest)| Some((Placeholder::parse(word)?, rest)));
        if let Some((placeholder, behind)) = read {
            filled.push_str(&with(placeholder)?);
            rest = behind;
        } else {
            filled.push_str("$(");
            rest = behind;
        }
    }
    filled.push_str(rest);
    Ok(Cow::Owned(filled))
}

/// Whether a text in `value` may have a placeholder.
fn has_any(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("$("),
        Value::Array(items) => items.iter().any(has_any),
        Value::Object(map) => map.values().any(has_any),
        _ => false,
    }
}

/// All texts in `value`, filled in.
fn fill_all(
    value: &mut Value,
    with: &mut dyn FnMut(Placeholder) -> Result<String, String>,
) -> Result<(), String> {
    match value {
        Value::String(text) => {
            if let Cow::Owned(filled) = fill(text, &mut *with)? {
                *text = filled;
            }
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill_all(item, with)),
        Value::Object(map) => map.values_mut().try_for_each(|value| fill_all(value, with)),
        _ => Ok(()),
    }
}

impl Draft<'_> {
    /// Fills in the placeholders of a profile's value.
    ///
    /// # Errors
    /// Why there is nothing to fill one in with.
    pub(super) fn fill<'v>(&self, value: &'v Value) -> Result<Cow<'v, Value>, String> {
        if !has_any(value) {
            return Ok(Cow::Borrowed(value));
        }
        let settings = self.settings;
        let mut filled = value.clone();
        fill_all(&mut filled, &mut |placeholder| match placeholder {
            Placeholder::Name => Ok(settings.name.clone()),
            Placeholder::Service => Ok(self.service()),
            Placeholder::Replicas => Ok(settings.replicas.to_string()),
            Placeholder::Formed => Ok(settings.formed.to_string()),
            Placeholder::Majority => Ok((settings.formed / 2 + 1).to_string()),
            Placeholder::Memory(percent, unit) => self.memory(percent, unit),
            Placeholder::Peers(name) => {
                let peers = settings.profile.peers.get(name);
                let peers = peers.ok_or_else(|| format!("the profile has no peers {name:?}"))?;
                let count = match peers.when_scaled {
                    WhenScaled::Keep => settings.formed,
                    WhenScaled::Rewrite => settings.replicas,
                };
                Ok(peers.list(&settings.name, &self.service(), count))
            }
        })?;
        Ok(Cow::Owned(filled))
    }

    fn service(&self) -> String {
        let service = self.effective(&Path::fields(&["spec", "serviceName"]));
        service.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// A part of the memory that the main container may have: its limit, else what it requests.
    fn memory(&self, percent: u32, unit: &str) -> Result<String, String> {
        let of = |kind| self.effective(&self.main().field("resources").field(kind).field("memory"));
        let memory = of("limits").or_else(|| of("requests"));
        let bytes = memory.and_then(|memory| Quantity::parse(memory.as_str()?).ok()?.bytes());
        let bytes = bytes.ok_or("the container has no memory to take a part of")?;
        let size: u128 = match unit {
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            _ => 1 << 30,
        };
        Ok((u128::from(bytes) * u128::from(percent) / 100 / size).to_string())
    }
}

/// Whether what a profile sets depends on how many replicas there were when the set was formed.
#[must_use]
pub fn keeps_count(profile: &Profile) -> bool {
    let mut keeps = false;
    let mut look = |value: &Value| {
        // Nothing is filled in, so nothing can be missing.
        _ = fill_all(&mut value.clone(), &mut |placeholder| {
            keeps |= match placeholder {
                Placeholder::Formed | Placeholder::Majority => true,
                Placeholder::Peers(name) => {
                    profile.peers.get(name).is_some_and(|peers| peers.when_scaled == WhenScaled::Keep)
                }
                _ => false,
            };
            Ok(String::new())
        });
    };
    profile.values().for_each(&mut look);
    keeps
}

/// The peers that `value` names and `known` lacks.
#[must_use]
pub fn unknown_peers(value: &Value, known: impl Fn(&str) -> bool) -> Vec<String> {
    let mut unknown = Vec::new();
    _ = fill_all(&mut value.clone(), &mut |placeholder| {
        if let Placeholder::Peers(name) = placeholder
            && !known(name)
        {
            unknown.push(name.to_owned());
        }
        Ok(String::new())
    });
    unknown
}

#[cfg(test)]
mod tests;

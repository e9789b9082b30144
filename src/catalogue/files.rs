//! Profiles from files, judged as those of a cluster are: nobody else does.

use super::cluster::Content;
use super::profile::ProfileSpec;
use super::{Catalogue, Profile, check};

/// What is wrong with a profile from a file, or with one that such a one is a parent of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Its name.
    pub name: String,
    /// What makes sets of it refused, or what is to stand beside them.
    pub faults: Vec<String>,
    /// What is likely not meant.
    pub remarks: Vec<String>,
}

impl Catalogue {
    /// The profiles from files with which anything is wrong. They are used all the same: of what was there
    /// before them nothing is kept that could stand in.
    #[must_use]
    pub fn judged_files(&self) -> Vec<Judged> {
        let found = self.latest.values().filter_map(|profile| {
            let content = self.of_files.get(&(profile.name.clone(), profile.revision.clone()))?;
            let judged = self.judge(profile, content);
            let any = !judged.faults.is_empty() || !judged.remarks.is_empty();
            any.then_some(judged)
        });
        found.collect()
    }

    fn judge(&self, profile: &Profile, content: &Content) -> Judged {
        let chain: Vec<(&str, &ProfileSpec)> =
            content.layers.iter().map(|layer| (layer.name.as_str(), &layer.spec)).collect();
        let own = chain.last().map(|(_, own)| *own);
        let mut judged = Judged {
            name: profile.name.clone(),
            faults: own.map(check::faults).unwrap_or_default(),
            remarks: own.map(check::unknown_fields).unwrap_or_default(),
        };
        // As of those of a cluster, no other is tried on sets.
        let is_tried = judged.faults.is_empty();
        let mut sized = profile.clone();
        judged.faults.extend(check::unsized_of(&mut sized));
        if is_tried {
            let tried = self.trials.of(&sized, &chain);
            judged.faults.extend(tried.faults.iter().cloned());
            judged.remarks.extend(tried.remarks.iter().cloned());
        }
        judged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(spec: &str) -> Vec<Judged> {
        let file = format!(
            "{{apiVersion: stateward.dev/v1alpha1, kind: StatefulSetProfile, metadata: {{name: queue}}, spec: {spec}}}"
        );
        Catalogue::built_in().unwrap().with([("queue.yaml", file.as_str())]).unwrap().judged_files()
    }

    #[test]
    fn a_profile_of_a_file_is_judged_as_one_of_a_cluster() {
        assert_eq!(judged("{summary: x, extends: default, match: {images: [queue]}}"), []);
        let [wrong] = &judged(
            "{summary: x, extends: default, match: {images: [queue]}, size: huge, without: [sizes.gone],
              statefulSet: {spec: {template: {spec: {nodeSelector: {a b: x}, hostNetwrk: true}}}}}",
        )[..] else {
            panic!("not one")
        };
        assert_eq!(
            (wrong.name.as_str(), wrong.faults.len(), wrong.remarks.len()),
            ("queue", 2, 2),
            "{wrong:?}"
        );
        assert!(wrong.faults[0].starts_with("spec.size: \"huge\" is no class of its sizes"));
        assert!(wrong.faults[1].starts_with("spec.statefulSet.spec.template.spec.nodeSelector[\"a b\"]"));
        assert!(wrong.remarks[0].contains("hostNetwrk is no field"));
        assert!(wrong.remarks[1].starts_with("spec.without[0]: sizes.gone takes nothing away"));
        let [wrong] = &judged("{summary: x, extends: default, data: {mountPath: data}}")[..] else {
            panic!("not one")
        };
        assert!(wrong.faults[0].starts_with("spec.data.mountPath: \"data\" is not absolute"), "{wrong:?}");
    }
}

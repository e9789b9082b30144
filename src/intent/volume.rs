//! `storage`, `access-mode` and `volume.<name>`.

use crate::intent::complaint::{Complaint, nearest, quote};
use crate::intent::{Storage, Volume, syntax};
use crate::quantity::{Quantity, QuantityError};

/// What a volume claim can be used as by one who writes.
const ACCESS_MODES: &[&str] = &["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"];
const OPTIONS: [&str; 3] = ["class", "path", "access"];
/// Below this a size is a slip: a bare `20` is twenty bytes.
const LEAST: &str = "1M";

/// `20Gi` or `none`.
pub(crate) fn storage(text: &str) -> Result<Storage, Complaint> {
    if text == "none" {
        return Ok(Storage::None);
    }
    syntax::not_none(text)?;
    size(text).map(Storage::Size)
}

/// An access mode under which somebody can write.
pub(crate) fn access_mode(text: &str) -> Result<String, Complaint> {
    if text == "ReadOnlyMany" {
        return Err(Complaint::invalid("with \"ReadOnlyMany\" nobody could write to the new volume").remedy(
            "write `ReadWriteMany` to share it, or mount an existing claim under spec.template.spec.volumes",
        ));
    }
    let short = match text {
        "RWO" => "ReadWriteOnce",
        "RWOP" => "ReadWriteOncePod",
        "RWX" => "ReadWriteMany",
        _ => return syntax::one_of("access mode", text, ACCESS_MODES).map(str::to_owned),
    };
    let problem = format!("{} is no access mode to the API", quote(text));
    Err(Complaint::invalid(problem).remedy(format!("write `{short}`")))
}

/// `100Gi,class=fast,path=/wal,access=ReadWriteOnce`.
pub(crate) fn volume(name: &str, text: &str) -> Result<(String, Volume), Vec<Complaint>> {
    let mut bad = Vec::new();
    let mut keep = |complaint| bad.push(complaint);
    let name = syntax::label("volume name", name).map_err(&mut keep).ok();
    let mut parts = text.split(',').map(str::trim);
    let size = size(parts.next().unwrap_or_default()).map_err(&mut keep).ok();
    let mut values: [Option<String>; 3] = [None, None, None];
    for part in parts {
        match option(part) {
            Ok((index, _)) if values[index].is_some() => {
                keep(Complaint::duplicate(format!("`{}` stands twice", OPTIONS[index])));
            }
            Ok((index, value)) => values[index] = Some(value),
            Err(complaint) => keep(complaint),
        }
    }
    let [class, path, access] = values;
    if path.is_none() && bad.is_empty() {
        bad.push(
            Complaint::invalid(format!("{} does not say where it is mounted", quote(text)))
                .remedy("add `,path=/…`"),
        );
    }
    match (name, size, path) {
        (Some(name), Some(size), Some(path)) if bad.is_empty() => {
            Ok((name, Volume { size, class, path, access }))
        }
        _ => Err(bad),
    }
}

fn option(part: &str) -> Result<(usize, String), Complaint> {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    let (name, value) = (name.trim(), value.trim());
    let Some(index) = OPTIONS.iter().position(|known| *known == name) else {
        let hint = nearest(name, OPTIONS);
        return Err(Complaint::invalid(format!("{} is no option of a volume", quote(part))).remedy(
            hint.map_or_else(
                || format!("write one of: {}", OPTIONS.join(", ")),
                |hint| format!("did you mean `{hint}=`?"),
            ),
        ));
    };
    let value = match name {
        "class" => syntax::subdomain("storage class", value)?,
        "path" => syntax::mount_path(value)?,
        _ => access_mode(value)?,
    };
    Ok((index, value))
}

/// A size that a volume can have, in canonical form.
fn size(text: &str) -> Result<String, Complaint> {
    let quantity = Quantity::parse(text).map_err(|error| no_size(text, &error))?;
    if !quantity.is_positive() {
        return Err(Complaint::invalid(format!("{} is not more than zero", quote(text))));
    }
    if Quantity::parse(LEAST).is_ok_and(|least| quantity < least) {
        let bare = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let unit = if text.ends_with('m') { "M" } else { "G" };
        let problem = format!("{} is a few bytes", quote(text));
        return Err(Complaint::invalid(problem).remedy(format!("write a unit, for example `{bare}{unit}i`")));
    }
    Ok(quantity.canonical())
}

fn no_size(text: &str, error: &QuantityError) -> Complaint {
    Complaint::invalid(format!("{} is no size: {error}", quote(text)))
        .maybe(error.suggestion().map(|meant| format!("write `{}`", meant.replace(" or ", "` or `"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::testing::{bad, good};

    #[test]
    fn storage_is_canonical() {
        assert_eq!(storage("none"), Ok(Storage::None));
        assert_eq!(storage("1024Mi"), Ok(Storage::Size("1Gi".to_owned())));
        assert_eq!(storage("1.5Ti"), Ok(Storage::Size("1536Gi".to_owned())));
        good("storage", &["20Gi", " none ", "1e12", "5000000", "+2T", "0.5Gi"]);
    }

    #[test]
    fn storage_refused() {
        const WRITE: &str = "write a size, or `none` for no data volume, for example `20Gi`";
        bad(
            "storage",
            &[
                ("10GB", "\"10GB\" is no size: there is no unit `GB`; write `10G` or `10Gi`"),
                ("10gi", "\"10gi\" is no size: there is no unit `gi`; write `10Gi`"),
                ("10K", "\"10K\" is no size: there is no unit `K`; write `10k` or `10Ki`"),
                ("big", &format!("\"big\" is no size: it does not begin with a number; {WRITE}")),
                ("None", "\"None\" is misspelt; write `none`"),
                ("-1Gi", &format!("\"-1Gi\" is not more than zero; {WRITE}")),
                ("0", &format!("\"0\" is not more than zero; {WRITE}")),
                ("20", "\"20\" is a few bytes; write a unit, for example `20Gi`"),
                ("100m", "\"100m\" is a few bytes; write a unit, for example `100Mi`"),
            ],
        );
    }

    #[test]
    fn access_modes() {
        good("access-mode", ACCESS_MODES);
        bad(
            "access-mode",
            &[
                (
                    "ReadOnlyMany",
                    "with \"ReadOnlyMany\" nobody could write to the new volume; write `ReadWriteMany` to share it, \
                     or mount an existing claim under spec.template.spec.volumes",
                ),
                ("RWX", "\"RWX\" is no access mode to the API; write `ReadWriteMany`"),
                ("readwriteonce", "\"readwriteonce\" is no access mode; write `ReadWriteOnce`"),
                (
                    "any",
                    "\"any\" is no access mode; write one of: ReadWriteOnce, ReadWriteOncePod, ReadWriteMany",
                ),
            ],
        );
    }

    #[test]
    fn volumes() {
        let (name, parsed) =
            volume("wal", "1024Gi , class = fast, path=/wal/,access=ReadWriteOncePod").unwrap();
        assert_eq!(name, "wal");
        assert_eq!(
            parsed,
            Volume {
                size: "1Ti".to_owned(),
                class: Some("fast".to_owned()),
                path: "/wal".to_owned(),
                access: Some("ReadWriteOncePod".to_owned()),
            }
        );
        good("volume.wal", &["1Gi,path=/wal", " 1Gi , path = /a b , class=c.d"]);
    }

    #[test]
    fn volumes_refused() {
        bad(
            "volume.wal",
            &[
                ("1Gi", "\"1Gi\" does not say where it is mounted; add `,path=/…`"),
                ("1Gi,paht=/wal", "\"paht=/wal\" is no option of a volume; did you mean `path=`?"),
                (
                    "1Gi,path=/wal,size=2",
                    "\"size=2\" is no option of a volume; write one of: class, path, access",
                ),
                ("1Gi,path=/a,path=/b", "`path` stands twice; write it once"),
                (
                    "1Gi,path=wal",
                    "\"wal\" is no absolute path; write a size and a path, optionally class and access, separated \
                     by commas, for example `100Gi,class=fast,path=/wal,access=ReadWriteOnce`",
                ),
            ],
        );
        bad(
            "volume.My_Wal",
            &[(
                "1Gi,path=/wal",
                "\"My_Wal\" is no volume name: lower-case letters, digits and `-`, at most 63, with a letter or \
                 digit at both ends; write `my-wal`",
            )],
        );
        assert_eq!(volume("A", "1GB,class=A,path=b").unwrap_err().len(), 4);
    }
}

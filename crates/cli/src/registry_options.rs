use anyhow::Context;
use sluice_registry::{BucketOptions, BucketUrl, ImageRepository, Quotas, RepositoryPattern, TagPattern};
use sluice_server::RegistryOptions;

use crate::mirror_options::MirrorArgs;

/// What the server's registry allows.
#[derive(clap::Args)]
pub struct RegistryArgs {
    /// Keep the bytes of image layers in a bucket, as in s3://images/sluice; credentials, region and endpoint come from the
    /// environment, as AWS' own tools take them (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL)
    #[arg(long = "blobs", env = "SLUICE_BLOBS", value_name = "URL")]
    bucket: Option<BucketUrl>,
    /// How much each image repository may hold, as in 20GB, or one of them, as in storefront/api=1TiB; may be repeated
    #[arg(long = "image-quota", value_name = "[NAME=]SIZE")]
    image_quotas: Vec<String>,
    /// Image tags that are set once and neither moved nor removed, as in version*; may be repeated
    #[arg(long = "immutable-tags", value_name = "PATTERN")]
    immutable_tags: Vec<TagPattern>,
    /// Image repositories that anybody may pull from without an account, as in public/*; may be repeated
    #[arg(long = "anonymous-pull", value_name = "PATTERN")]
    anonymous_pull: Vec<RepositoryPattern>,
    #[command(flatten)]
    mirrors: MirrorArgs,
}

impl RegistryArgs {
    pub fn options(&self) -> anyhow::Result<RegistryOptions> {
        Ok(RegistryOptions {
            bucket: self.bucket.clone().map(bucket),
            quotas: quotas(&self.image_quotas)?,
            immutable_tags: self.immutable_tags.clone(),
            anonymous_pull: self.anonymous_pull.clone(),
            mirrors: self.mirrors.options()?,
        })
    }
}

/// With the settings that AWS' own tools take from the environment.
fn bucket(url: BucketUrl) -> BucketOptions {
    let settings = std::env::vars().filter(|(name, _)| name.starts_with("AWS_")).collect();
    BucketOptions { url, settings }
}

fn quotas(texts: &[String]) -> anyhow::Result<Quotas> {
    let mut quotas = Quotas::default();
    for text in texts {
        let (name, size) = match text.split_once('=') {
            Some((name, size)) => (Some(name), size),
            None => (None, text.as_str()),
        };
        let bytes = size_bytes(size).with_context(|| {
            format!("--image-quota `{text}`: expected a size with its unit, as in 500MB, 20GB or 1TiB")
        })?;
        match name {
            Some(name) => {
                let name: ImageRepository =
                    name.parse().with_context(|| format!("--image-quota `{text}`"))?;
                quotas.named_bytes.insert(name, bytes);
            }
            None => quotas.each_bytes = Some(bytes),
        }
    }
    Ok(quotas)
}

/// `20GB`, in powers of ten; `20GiB`, in powers of two; `20B`.
fn size_bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (base, power) = match unit.trim_start() {
        "B" => (1, 0),
        "kB" => (1_000, 1),
        "MB" => (1_000, 2),
        "GB" => (1_000, 3),
        "TB" => (1_000, 4),
        "KiB" => (1_024, 1),
        "MiB" => (1_024, 2),
        "GiB" => (1_024, 3),
        "TiB" => (1_024_u64, 4),
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(base.pow(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_for_all_or_for_one() {
        let texts = ["20GB", "storefront/api=1TiB"].map(str::to_owned);
        let read = quotas(&texts).unwrap();
        assert_eq!(read.of(&"any".parse().unwrap()), Some(20_000_000_000));
        assert_eq!(read.of(&"storefront/api".parse().unwrap()), Some(1 << 40));
        for wrong in ["", "20", "GB", "-1GB", "20gb", "A=1GB", "99999999999TB", "a=", "1.5GB"] {
            let refusal = quotas(&[wrong.to_owned()]).unwrap_err();
            assert!(refusal.to_string().contains("--image-quota"), "{wrong}: {refusal}");
        }
    }
}

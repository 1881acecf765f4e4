use sluice_source::did_you_mean;

#[test]
fn a_near_word_is_suggested() {
    let keys = ["steps", "docker", "machine", "environment", "working_directory"];
    let cases = [
        ("stpes", Some("steps")),
        ("Steps", Some("steps")),
        ("step", Some("steps")),
        ("enviroment", Some("environment")),
        ("workingdirectory", Some("working_directory")),
        ("banana", None),
        ("", None),
        ("x", None),
    ];
    for (word, expected) in cases {
        assert_eq!(did_you_mean(word, keys), expected, "{word}");
    }
}

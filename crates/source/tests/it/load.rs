use sluice_source::{DuplicateKeys, Kind, MergeKeys, Node, Options, Resolved, Style, decode, load, resolve};

fn read(text: &str) -> Node {
    let loaded = load("f.yml", text, &Options::default());
    assert_eq!(loaded.diagnostics, [], "{text}");
    assert_eq!(loaded.documents.len(), 1, "{text}");
    loaded.documents.into_iter().next().unwrap()
}

/// The one error of a text, on one line.
fn refused(text: &str) -> String {
    let loaded = load("f.yml", text, &Options::default());
    assert_eq!(loaded.diagnostics.len(), 1, "{text}: {:?}", loaded.diagnostics);
    loaded.diagnostics[0].to_string()
}

fn place(node: &Node) -> (u32, u32, u32, u32) {
    (node.span.start.line, node.span.start.column, node.span.end.line, node.span.end.column)
}

#[test]
fn a_scalar_keeps_its_text_and_style() {
    let node = read("- 3.10\n- '3.10'\n- \"a\\tb\"\n- |\n  x\n  y\n- >\n  x\n  y\n- 010\n- yes\n-\n- ~\n");
    let scalars: Vec<_> = node
        .items()
        .unwrap()
        .iter()
        .map(|item| item.as_scalar().unwrap())
        .map(|s| (&*s.text, s.style))
        .collect();
    assert_eq!(
        scalars,
        [
            ("3.10", Style::Plain),
            ("3.10", Style::SingleQuoted),
            ("a\tb", Style::DoubleQuoted),
            ("x\ny\n", Style::Literal),
            ("x y\n", Style::Folded),
            ("010", Style::Plain),
            ("yes", Style::Plain),
            ("", Style::Plain),
            ("~", Style::Plain),
        ]
    );
}

#[test]
fn places_count_characters_from_one() {
    let node = read("# é\nkéy: välue\nlist:\n  - a\n  - {b: c}\n");
    assert_eq!(place(&node), (2, 1, 5, 11));
    let entry = &node.entries().unwrap()[0];
    assert_eq!((place(&entry.key), place(&entry.value)), ((2, 1, 2, 4), (2, 6, 2, 11)));
    assert_eq!(entry.value.span.start.byte, 11);
    let list = node.get("list").unwrap();
    assert_eq!((place(list), place(&list.items().unwrap()[1])), ((4, 3, 5, 11), (5, 5, 5, 11)));
}

#[test]
fn crlf_and_a_byte_order_mark_make_no_difference() {
    let dos = read("\u{feff}a: |\r\n  x\r\n  y\r\nb: 1\r\n");
    assert_eq!(dos, read("a: |\n  x\n  y\nb: 1\n"));
    assert_eq!(place(&dos.entries().unwrap()[1].key), (4, 1, 4, 2));
}

#[test]
fn plain_scalars_resolve_by_the_core_schema() {
    let cases = [
        ("", Resolved::Null),
        ("~", Resolved::Null),
        ("Null", Resolved::Null),
        ("TRUE", Resolved::Bool(true)),
        ("yes", Resolved::String("yes")),
        ("010", Resolved::Int(10)),
        ("0o10", Resolved::Int(8)),
        ("0xFf", Resolved::Int(255)),
        ("+7", Resolved::Int(7)),
        ("99999999999999999999", Resolved::Float(1e20)),
        ("3.10", Resolved::Float(3.1)),
        (".5", Resolved::Float(0.5)),
        ("1e3", Resolved::Float(1000.0)),
        ("-.inf", Resolved::Float(f64::NEG_INFINITY)),
        ("1_000", Resolved::String("1_000")),
        ("1.2.3", Resolved::String("1.2.3")),
        ("e3", Resolved::String("e3")),
        ("infinity", Resolved::String("infinity")),
        ("'1'", Resolved::String("1")),
        ("!!str 1", Resolved::String("1")),
        ("!!int '1'", Resolved::Int(1)),
    ];
    for (text, expected) in cases {
        assert_eq!(resolve(&read(&format!("- {text}\n")).items().unwrap()[0]), Some(expected), "{text}");
    }
}

#[test]
fn an_alias_is_its_anchor_and_remembers_both_places() {
    let node = read("a: &x {k: v}\nb: *x\n");
    let (a, b) = (node.get("a").unwrap(), node.get("b").unwrap());
    assert_eq!((a, a.anchor.as_deref(), a.alias), (b, Some("x"), None));
    assert_eq!((place(b), b.place().start.line), (place(a), 2));
    let scalar = read("[&n 1, *n]");
    assert_eq!(scalar.items().unwrap()[0].anchor.as_deref(), Some("n"));
}

#[test]
fn an_anchor_ends_with_its_document() {
    assert!(refused("a: &x 1\n---\nb: *x\n").contains("f.yml:3:4: error[yaml/unknown-anchor]"));
    assert_eq!(load("f.yml", "a\n---\nb\n", &Options::default()).documents.len(), 2);
    assert_eq!(load("f.yml", "# nothing\n", &Options::default()).documents.len(), 0);
}

#[test]
fn tags_stay() {
    let node = read("[!!str 1, !local x, !<tag:e.org,1:t> y]");
    let tags: Vec<_> = node.items().unwrap().iter().map(|item| item.tag.as_deref().unwrap()).collect();
    assert_eq!(tags, ["tag:yaml.org,2002:str", "!local", "tag:e.org,1:t"]);
}

#[test]
fn a_duplicate_key_shows_both_places() {
    let loaded = load("f.yml", "a: 1\nb: 2\n\"a\": 3\n", &Options::default());
    let diagnostic = &loaded.diagnostics[0];
    assert_eq!(
        diagnostic.to_string(),
        "f.yml:3:1: error[yaml/duplicate-key]: the key `a` stands twice in this map"
    );
    assert_eq!(diagnostic.labels[0].location.to_string(), "f.yml:1:1");
    assert_eq!(loaded.documents[0].get("a").unwrap().text(), Some("1"));
    let keep = Options { duplicate_keys: DuplicateKeys::Keep, ..Options::default() };
    assert_eq!(load("f.yml", "a: 1\na: 2\n", &keep).documents[0].entries().unwrap().len(), 2);
}

#[test]
fn merges_yield_to_the_maps_own_keys() {
    let apply = Options { merge_keys: MergeKeys::Apply, ..Options::default() };
    let text =
        "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  c: 3\nw: {<<: *x, <<: *y, '<<': q}\n";
    let loaded = load("f.yml", text, &apply);
    assert_eq!(loaded.diagnostics, []);
    let flat = |key: &str| -> Vec<String> {
        let Kind::Mapping(entries) = &loaded.documents[0].get(key).unwrap().kind else { panic!() };
        entries.iter().map(|e| format!("{}={}", e.key.text().unwrap(), e.value.text().unwrap())).collect()
    };
    assert_eq!(flat("z"), ["a=1", "b=1", "c=3"]);
    assert_eq!(flat("w"), ["a=1", "b=1", "c=2", "<<=q"]);
    let wrong = load("f.yml", "a: {<<: 3}", &apply);
    assert!(wrong.diagnostics[0].to_string().contains("f.yml:1:9: error[yaml/merge-key]"));
}

#[test]
fn what_is_not_yaml_has_a_place() {
    insta::assert_snapshot!(
        [
            "a: b: c\n",
            "a:\n\t- b\n",
            "a: 'x\n",
            "a: [1\n",
            "a: *x\n",
            "a: &a [*a]\n",
            "a: 1\n b: 2\n",
            "{a: 1]\n",
            "%FOO\n",
            "a: @x\n"
        ]
        .map(refused)
        .join("\n")
    );
}

#[test]
fn other_encodings_are_named() {
    let wrong = |bytes: &[u8]| decode("f.yml", bytes).unwrap_err().to_string();
    assert_eq!(decode("f.yml", b"\xEF\xBB\xBFa").unwrap(), "a");
    assert_eq!(
        wrong(b"ok\n\xC3\xA9\xC3\xA9 \xFF"),
        "f.yml:2:4: error[text/not-utf-8]: the file is not UTF-8: byte 0xff is not part of a character"
    );
    assert_eq!(
        wrong(b"\xFF\xFEa\0"),
        "f.yml:1:1: error[text/not-utf-8]: the file is UTF-16, where UTF-8 is expected"
    );
}

//! Every operator, on small functions of our own.

use super::*;

/// In `h` what rests elsewhere matters.
fn group(name: &str) -> Group {
    let matters = if name == "h" { vec!["rest".to_owned()] } else { Vec::new() };
    Group {
        name: name.into(),
        functions: Vec::new(),
        manifest: name == "g",
        whole: BTreeMap::new(),
        matters,
        concurrency: name == "t",
    }
}

fn plan() -> Plan {
    Plan {
        group: ["g", "h", "t"].map(group).into(),
        assertions: vec!["WARN_ON".into()],
        declarations: vec!["_STATE".into()],
        nothing: vec!["rest".into()],
        locks: Locks {
            lock: vec!["lock".into(), "take".into()],
            trylock: vec!["trylock".into()],
            unlock: vec!["unlock".into()],
            get: vec!["get".into()],
            put: vec!["put".into()],
            recheck: vec!["mapped".into()],
        },
    }
}

fn one_task(group: &str) -> Groups<'_> {
    Groups { of_one_task: Some(group), of_several: None }
}

/// The mutants of a function called `f`, and its text.
fn of(text: &str) -> (Vec<Mutant>, String) {
    let plan = plan();
    let mut schemata = Schemata::new(&plan, ["struct s { struct node *left; struct node *right; };"].into_iter());
    let text = schemata.function(one_task("g"), "mm/f.c", "f", 10, text);
    assert_eq!(schemata.left, Vec::<String>::new());
    (schemata.mutants, text)
}

/// What an operator makes of a function, without early returns except for that operator.
fn by(operator: Operator, text: &str) -> Vec<String> {
    let (mutants, _) = of(text);
    mutants.into_iter().filter(|m| m.operator == operator).map(|m| format!("{} => {}", m.before, m.after)).collect()
}

#[test]
fn conditions_are_negated_and_dropped() {
    let text = "int f(int a, int b)\n{\n\tif (a && !b)\n\t\treturn 1;\n\treturn a == b;\n}";
    assert_eq!(
        by(Operator::NegateCondition, text),
        ["(a && !b) => !((a && !b))", "a => !(a)", "!b => !(!b)", "a == b => !(a == b)"]
    );
    assert_eq!(by(Operator::DropCondition, text), ["(a && !b) => 1"]);
    assert_eq!(by(Operator::DropOperand, text), ["a && !b => !b", "a && !b => a"]);
}

#[test]
fn statements_are_dropped_but_no_assertions_declarations_and_rests() {
    let text = "void f(struct s *s)\n{\n\tA_STATE(a, s);\n\tWARN_ON(s->n < 1);\n\trest(s);\n\ts->n++;\n\tg(s);\n}";
    assert_eq!(by(Operator::DropStatement, text), ["s->n++; => ", "g(s); => "]);
    assert_eq!(by(Operator::OffByOne, text), Vec::<String>::new());
    assert_eq!(by(Operator::EarlyReturn, text), ["s->n++; => return; s->n++;", "g(s); => return; g(s);"]);
}

#[test]
fn a_call_that_matters_in_a_group_is_dropped_there() {
    let plan = plan();
    let mut schemata = Schemata::new(&plan, [].into_iter());
    schemata.function(one_task("h"), "mm/f.c", "f", 10, "void f(struct s *s)\n{\n\trest(s);\n}");
    let dropped = schemata.mutants.iter().filter(|m| m.operator == Operator::DropStatement);
    assert_eq!(dropped.map(|m| m.before.as_str()).collect::<Vec<_>>(), ["rest(s);"]);
}

#[test]
fn a_mutant_knows_why_nothing_reaches_its_line() {
    let list = "[[unreached]]\nfunction = 'f'\nblocks = ['if (s->huge)']\nreason = 'no such page'\n";
    let (plan, list) = (plan(), toml::from_str(list).unwrap());
    let mut schemata = Schemata::new(&plan, [].into_iter()).with_unreached(Some(&list), "7.3");
    schemata.function(
        one_task("g"),
        "mm/f.c",
        "f",
        10,
        "void f(struct s *s)\n{\n\tif (s->huge) {\n\t\tg(s);\n\t}\n\th(s);\n}",
    );
    let dropped = schemata.mutants.iter().filter(|m| m.operator == Operator::DropStatement);
    let reasons: Vec<_> = dropped.map(|m| (m.before.as_str(), m.unreached.as_deref())).collect();
    assert_eq!(reasons, [("g(s);", Some("no such page")), ("h(s);", None)]);
}

#[test]
fn loops_of_macros_are_loops() {
    let text = "void f(struct s *s)\n{\n\tlist_for_each_entry(a, &s->list, node) {\n\t\ta->n--;\n\t\tif (a->n)\n\t\t\tcontinue;\n\t}\n}";
    assert_eq!(
        by(Operator::IterationDirection, text),
        ["list_for_each_entry(a, &s->list, node) => list_for_each_entry_reverse(a, &s->list, node)"]
    );
    assert_eq!(by(Operator::DropStatement, text), ["a->n--; => "]);
    let (mutants, mutated) = of(text);
    assert_eq!(mutated.matches('\n').count(), text.matches('\n').count());
    let dropped = mutants.iter().find(|m| m.operator == Operator::DropStatement).unwrap();
    assert_eq!(dropped.line, 13);
}

#[test]
fn pointers_of_one_type_change_places() {
    let text = "void f(struct node *a, struct node *b, struct s *s)\n{\n\tg(a, b, s);\n\tg(s->left, 3, b);\n\tlist_add(&a->x, &b->y);\n}";
    assert_eq!(
        by(Operator::SwapPointers, text),
        [
            "g(a, b, s) => g(b, a, s)",
            "g(s->left, 3, b) => g(b, 3, s->left)",
            "list_add(&a->x, &b->y) => list_add(&b->y, &a->x)"
        ]
    );
    assert_eq!(by(Operator::ListEnd, text), ["list_add(&a->x, &b->y) => list_add_tail(&a->x, &b->y)"]);
}

#[test]
fn comparisons_flags_and_values_returned() {
    let text = "struct s *f(int a)\n{\n\tif (a <= 3)\n\t\treturn get(GFP_NOWAIT | __GFP_NOWARN);\n\treturn NULL;\n}";
    assert_eq!(by(Operator::OffByOne, text), ["a <= 3 => a < 3"]);
    assert_eq!(by(Operator::GfpFlags, text), ["GFP_NOWAIT => GFP_KERNEL", "__GFP_NOWARN => 0"]);
    assert_eq!(
        by(Operator::EarlyReturn, text),
        [
            "if (a <= 3) return get(GFP_NOWAIT | __GFP_NOWARN); => return NULL; if (a <= 3) return get(GFP_NOWAIT | __GFP_NOWARN);"
        ]
    );
}

#[test]
fn what_the_preprocessor_drops_is_forgotten() {
    let plan = plan();
    let mut schemata = Schemata::new(&plan, std::iter::empty());
    schemata.function(one_task("g"), "mm/f.c", "f", 1, "void f(void)\n{\n\ta();\n\tb();\n}");
    let numbers = |schemata: &Schemata| schemata.mutants.iter().map(|m| m.number).collect::<Vec<_>>();
    assert_eq!(numbers(&schemata), [1, 2, 3, 4]);
    schemata.keep_compiled(&["if (rmap_mutant_is(2)) x; rmap_mutant_is(4)".to_owned()]);
    assert_eq!(numbers(&schemata), [2, 4]);
}

/// The mutants of concurrency of a function, and its text.
fn concurrent(text: &str) -> (Vec<String>, String) {
    let plan = plan();
    let mut schemata = Schemata::new(&plan, [].into_iter());
    let groups = Groups { of_one_task: None, of_several: Some("t") };
    let text = schemata.function(groups, "mm/f.c", "f", 10, text);
    assert_eq!(schemata.left, Vec::<String>::new());
    assert!(schemata.mutants.iter().all(|mutant| mutant.group == "t"));
    let listed = schemata.mutants.iter().map(|m| format!("{:?}: {} => {}", m.operator, m.before, m.after));
    (listed.collect(), text)
}

#[test]
fn locks_are_taken_late_and_given_back_early() {
    let text = "void f(struct s *s)\n{\n\tlock(s);\n\tWARN_ON(s->n);\n\ts->n++;\n\tg(s);\n\tunlock(s);\n}";
    let (mutants, mutated) = concurrent(text);
    assert_eq!(
        mutants,
        [
            "LockLate: lock(s); s->n++; => s->n++; lock(s);",
            "UnlockEarly: g(s); unlock(s); => unlock(s); g(s);",
            "UnlockEarly: s->n++; … unlock(s); => unlock(s); s->n++; …",
        ]
    );
    let expected = "void f(struct s *s)\n{\n\
        \t{ if (!(rmap_mutant_is(1))) lock(s); }\n\
        \tWARN_ON(s->n);\n\
        \tif (rmap_mutant_is(3)) { unlock(s); } s->n++; if (rmap_mutant_is(1)) { lock(s); }\n\
        \tif (rmap_mutant_is(2)) { unlock(s); } g(s);\n\
        \t{ if (!(rmap_mutant_is(2) || rmap_mutant_is(3))) unlock(s); }\n}";
    assert_eq!(mutated, expected);
}

#[test]
fn what_a_jump_comes_to_is_behind_its_label() {
    let text =
        "int f(struct s *s)\n{\n\tif (s->n)\n\t\tgoto out;\n\tg(s);\nout:\n\th(s);\n\tunlock(s);\n\treturn 0;\n}";
    let (mutants, mutated) = concurrent(text);
    assert_eq!(mutants, ["UnlockEarly: out: h(s); unlock(s); => unlock(s); out: h(s);"]);
    assert!(mutated.contains("out:\n\tif (rmap_mutant_is(1)) { unlock(s); } h(s);"), "{mutated}");
}

/// What no statement of the block gives back may be taken at its end.
#[test]
fn a_lock_that_stays_is_taken_at_the_end_of_its_block() {
    let (mutants, _) =
        concurrent("void f(struct s *s)\n{\n\tlock(s);\n\ts->n++;\n\tg(s);\n\tif (s->n)\n\t\th(s);\n\treturn;\n}");
    let late = [
        "LockLate: lock(s); s->n++; => s->n++; lock(s);",
        "LockLate: lock(s); … if (s->n) h(s); => … if (s->n) h(s); lock(s);",
    ];
    assert_eq!(mutants[..2], late);
}

/// Neither past a declaration, nor past what makes the lock, nor past a look at whether it was got.
#[test]
fn an_unlock_stays_behind_what_it_needs() {
    for before in ["struct t *t = s->t;", "t = s->t;", "if (!p)\n\t\treturn;", "return;"] {
        let (mutants, _) = concurrent(&format!("void f(struct s *s)\n{{\n\t{before}\n\tunlock(t);\n}}"));
        assert_eq!(mutants, Vec::<String>::new(), "{before}");
    }
}

#[test]
fn puts_come_before_a_use() {
    let text = "void f(struct s *s)\n{\n\tg(s);\n\tput(s);\n}";
    assert_eq!(concurrent(text).0, ["PutBeforeUse: g(s); put(s); => put(s); g(s);"]);
    let (mutants, _) = concurrent("void f(struct s *s)\n{\n\tg(s);\n\tif (put(s))\n\t\th(s);\n}");
    assert_eq!(mutants[0], "PutBeforeUse: g(s); if (put(s)) h(s); => if (put(s)) h(s); g(s);");
}

#[test]
fn what_is_asked_again_is_taken_for_granted() {
    let asks = |text: &str| {
        let (mutants, mutated) = concurrent(&format!("int f(struct s *s)\n{{\n\t{text}\n\treturn 0;\n}}"));
        let found = mutants.iter().find_map(|mutant| mutant.strip_prefix("RecheckDropped: ")).map(str::to_owned);
        (found, mutated)
    };
    let is = |text: &str, expected: &str| assert_eq!(asks(text).0.as_deref(), Some(expected), "{text}");
    is("if (!mapped(s))\n\t\treturn 1;", "(!mapped(s)) => 0");
    is("if (!mapped(s)) {\n\t\tunlock(s);\n\t\ts = NULL;\n\t}", "(!mapped(s)) => 0");
    is("if (likely(mapped(s)))\n\t\treturn 1;", "(likely(mapped(s))) => 1");
    is("lock(s);\n\tif (!s->vma)\n\t\ts->vma = s;", "(!s->vma) => 1");
    // What is got or tried is so all the same.
    let (found, mutated) = asks("if (!get(s))\n\t\treturn 1;");
    assert_eq!(found.as_deref(), Some("(!get(s)) => 0"));
    assert!(mutated.contains("if (rmap_mutant_is(1) ? ((void)(!get(s)), 0) : (!get(s)))"), "{mutated}");
    is("if (trylock(s))\n\t\treturn 1;", "(trylock(s)) => 1");
    // Whether there is a lock at all is no question that others answer, nor is what nobody holds a lock for.
    assert_eq!(asks("p = take(s);\n\tif (!p)\n\t\treturn 1;").0, None);
    assert_eq!(asks("g(s);\n\tif (!s->vma)\n\t\ts->vma = s;").0, None);
}

#[test]
fn what_is_asked_under_a_lock_is_asked_before() {
    let of = |text: &str| {
        let (mutants, mutated) = concurrent(text);
        let found = mutants.iter().filter_map(|mutant| mutant.strip_prefix("CheckBeforeLock: ").map(str::to_owned));
        (found.collect::<Vec<_>>(), mutated)
    };
    let (found, mutated) = of("void f(struct s *s)\n{\n\tlock(s);\n\tif (s->n)\n\t\tg(s);\n}");
    assert_eq!(found, ["lock(s); if (s->n) => if (s->n) lock(s);"]);
    assert!(
        mutated.contains("{ int rmap_checked_2 = 0;\n\tif (rmap_mutant_is(2)) rmap_checked_2 = !!(s->n); "),
        "{mutated}"
    );
    assert!(mutated.contains("(rmap_mutant_is(2) ? (rmap_checked_2) : "), "{mutated}");
    let (found, _) = of("int f(struct s *s)\n{\n\tif (!get(s))\n\t\treturn 1;\n\tif (!mapped(s))\n\t\tg(s);\n}");
    assert_eq!(found, ["if (!get(s)) return 1; if (!mapped(s)) => if (!mapped(s)) if (!get(s)) return 1;"]);
    let (found, _) = of("int f(struct s *s)\n{\n\tif (trylock(s)) {\n\t\tif (!mapped(s))\n\t\t\tg(s);\n\t}\n}");
    assert_eq!(found, ["if (trylock(s)) { if (!mapped(s)) => if (!mapped(s)) if (trylock(s)) {"]);
    // It needs what the lock gives.
    let (found, _) = of("void f(struct s *s)\n{\n\tp = take(s, &q);\n\tif (q->n)\n\t\tg(s);\n}");
    assert_eq!(found, Vec::<String>::new());
}

/// Both kinds in one function: each has its numbers, and a group of its own.
#[test]
fn a_function_of_two_groups_has_the_mutants_of_both() {
    let plan = plan();
    let mut schemata = Schemata::new(&plan, [].into_iter());
    let groups = Groups { of_one_task: Some("g"), of_several: Some("t") };
    let text = "void f(struct s *s)\n{\n\tg(s);\n\tunlock(s);\n}";
    let text = schemata.function(groups, "mm/f.c", "f", 10, text);
    let listed = schemata.mutants.iter().map(|m| format!("{} {} {:?}", m.number, m.group, m.operator));
    let expected = ["1 t UnlockEarly", "2 g EarlyReturn", "3 g DropStatement", "4 g EarlyReturn", "5 g DropStatement"];
    assert_eq!(listed.collect::<Vec<_>>(), expected);
    assert!(text.contains("{ if (!(rmap_mutant_is(1))) { if (!rmap_mutant_is(5)) unlock(s); } }"), "{text}");
}

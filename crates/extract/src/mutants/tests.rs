//! Every operator, on small functions of our own.

use super::*;

/// In `h` what rests elsewhere matters.
fn group(name: &str) -> Group {
    let matters = if name == "h" { vec!["rest".to_owned()] } else { Vec::new() };
    Group { name: name.into(), functions: Vec::new(), manifest: name == "g", whole: BTreeMap::new(), matters }
}

fn plan() -> Plan {
    Plan {
        group: ["g", "h"].map(group).into(),
        assertions: vec!["WARN_ON".into()],
        declarations: vec!["_STATE".into()],
        nothing: vec!["rest".into()],
    }
}

/// The mutants of a function called `f`, and its text.
fn of(text: &str) -> (Vec<Mutant>, String) {
    let plan = plan();
    let mut schemata = Schemata::new(&plan, ["struct s { struct node *left; struct node *right; };"].into_iter());
    let text = schemata.function("g", "mm/f.c", "f", 10, text);
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
    schemata.function("h", "mm/f.c", "f", 10, "void f(struct s *s)\n{\n\trest(s);\n}");
    let dropped = schemata.mutants.iter().filter(|m| m.operator == Operator::DropStatement);
    assert_eq!(dropped.map(|m| m.before.as_str()).collect::<Vec<_>>(), ["rest(s);"]);
}

#[test]
fn a_mutant_knows_why_nothing_reaches_its_line() {
    let list = "[[unreached]]\nfunction = 'f'\nblocks = ['if (s->huge)']\nreason = 'no such page'\n";
    let (plan, list) = (plan(), toml::from_str(list).unwrap());
    let mut schemata = Schemata::new(&plan, [].into_iter()).with_unreached(Some(&list), "7.3");
    schemata.function("g", "mm/f.c", "f", 10, "void f(struct s *s)\n{\n\tif (s->huge) {\n\t\tg(s);\n\t}\n\th(s);\n}");
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
    schemata.function("g", "mm/f.c", "f", 1, "void f(void)\n{\n\ta();\n\tb();\n}");
    let numbers = |schemata: &Schemata| schemata.mutants.iter().map(|m| m.number).collect::<Vec<_>>();
    assert_eq!(numbers(&schemata), [1, 2, 3, 4]);
    schemata.keep_compiled(&["if (rmap_mutant_is(2)) x; rmap_mutant_is(4)".to_owned()]);
    assert_eq!(numbers(&schemata), [2, 4]);
}

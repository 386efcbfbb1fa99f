"""The journal's tables of a study, made from its summary: text cells, for the page, CSV files and the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Row = tuple[str, ...]
NAMES = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "positive predictive value",
    "npv": "negative predictive value",
    "accuracy": "accuracy",
    "auc": "area under the curve",
    "bias": "bias",
}


@dataclass(frozen=True)
class Sheet:
    """A table: file name, title, heads, rows, a note below."""

    name: str
    title: str
    columns: Row
    rows: tuple[Row, ...]
    note: str = ""


def sheets(told: dict[str, Any]) -> tuple[Sheet, ...]:
    """All tables of a summary, in reading order."""
    made = [_flow(told["flow"])]
    for unit in told["units"]:
        by = f"by {unit['unit']}"
        methods = unit["methods"]
        made += [_agreement(methods, by), _accuracy(methods, by), _intention(methods, by)]
        if unit["comparison"] is not None:
            made += [_comparison(unit["comparison"], by), _reclassification(unit["comparison"], by)]
        made += [_bands(method, by, told["options"]["wire_sd"]) for method in methods]
        made += [_subgroups(method, by) for method in methods]
    made.append(_published(told))
    return tuple(one for one in made if one.rows)


def number(value: float | None, digits: int = 2, unit: str = "") -> str:
    """A number; a dash where there is none. A minus that rounds to zero is none."""
    if value is None:
        return "-"
    text = f"{value:.{digits}f}"
    return (text.lstrip("-") if not float(text) else text) + unit


def between(interval: dict[str, Any], digits: int = 2, factor: float = 1.0) -> str:
    """``0.93 (0.90 to 0.95)``."""
    value, low, high = (None if interval[key] is None else factor * interval[key] for key in ("value", "low", "high"))
    if value is None:
        return "-"
    return number(value, digits) + ("" if low is None else f" ({number(low, digits)} to {number(high, digits)})")


def p_value(p: float | None) -> str:
    """As journals print it."""
    if p is None:
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _flow(told: dict[str, Any]) -> Sheet:
    def row(text: str, count: dict[str, int]) -> Row:
        return text, str(count["rows"]), str(count["patients"])

    wire = told["wire"]
    rows = [row("in the table", told["in_table"]), row(f"without {wire}, not analysed", told["without_wire"])]
    rows += _why(told, wire)
    rows.append(row(f"with {wire}", told["with_wire"]))
    for method in told["methods"]:
        rows.append(row(f"of these {method['name']} not evaluable", method["not_evaluable"]))
        rows += _why(told, method["name"])
        rows.append(row(f"analysed: {method['name']} against {wire}", method["analysed"]))
    if "all_three" in told:
        rows.append(row("analysed: both methods", told["all_three"]))
    note = "A patient may stand in several lines. Reasons count all rows of the table without a value."
    return Sheet("flow", "Flow of vessels and patients", ("", "rows", "patients"), tuple(rows), note)


def _why(told: dict[str, Any], name: str) -> list[Row]:
    return [(f"- no {name}: {reason}", str(count), "") for reason, count in told["reasons"].get(name, {}).items()]


def _agreement(methods: list[dict[str, Any]], by: str) -> Sheet:
    lines: list[tuple[str, Any]] = [
        ("rows (patients)", lambda m: f"{m['rows']} ({m['patients']})"),
        ("bias (method less wire)", lambda m: between(m["agreement"]["bias"], 3)),
        ("standard deviation of the differences", lambda m: between(m["agreement"]["sd"], 3)),
        ("lower limit of agreement", lambda m: between(m["agreement"]["lower"], 3)),
        ("upper limit of agreement", lambda m: between(m["agreement"]["upper"], 3)),
        ("- between patients, within patients (SD)", _parts),
        ("- method's own, without the wire's (SD)", _own),
        ("slope of the difference over the mean", lambda m: between(m["agreement"]["trend"], 2)),
        ("Pearson's r", lambda m: between(m["related"]["pearson"], 2)),
        ("Spearman's rho", lambda m: between(m["related"]["spearman"], 2)),
        ("intraclass correlation, ICC(2,1)", lambda m: between(m["related"]["icc"], 2)),
        ("Lin's concordance", lambda m: between(m["related"]["concordance"], 2)),
        ("Passing-Bablok slope", lambda m: between(m["passing_bablok"]["slope"], 2)),
        ("Passing-Bablok intercept", lambda m: between(m["passing_bablok"]["intercept"], 3)),
        ("- p of linearity (cusum)", lambda m: p_value(m["passing_bablok"]["linearity_p"])),
        ("Deming slope", lambda m: between(m["deming"]["slope"], 2)),
        ("Deming intercept", lambda m: between(m["deming"]["intercept"], 3)),
    ]
    rows = []
    for name, cell in lines:
        rows.append((name, *(_or_dash(cell, method) for method in methods)))
    heads = ("", *(method["name"] for method in methods))
    note = (
        "Number (95 % interval). Limits of agreement after Bland and Altman 2007, several vessels a patient. Intervals "
        "keep patients whole. ICC and Lin's concordance have no meaning for a method on another scale than the wire."
    )
    return Sheet(f"agreement_{by.replace(' ', '_')}", f"Agreement {by}", heads, tuple(rows), note)


def _or_dash(cell: Any, method: dict[str, Any]) -> str:
    try:
        return str(cell(method))
    except TypeError:  # this method lacks the part
        return "-"


def _parts(method: dict[str, Any]) -> str:
    found = method["agreement"]
    return f"{number(found['between_sd'], 3)}, {number(found['within_sd'], 3)}"


def _own(method: dict[str, Any]) -> str:
    return " to ".join(number(value, 3) for value in sorted(method["agreement"]["method_only_sd"]))


def _accuracy(methods: list[dict[str, Any]], by: str) -> Sheet:
    rows: list[Row] = []
    for method in methods:
        call = method["diagnosis"]
        counts = f"TP {call['tp']}, FN {call['fn']}, FP {call['fp']}, TN {call['tn']}"
        rows.append((method["name"], f"abnormal {method['rule']}", counts, "", ""))
        for name, one in call["proportions"].items():
            share = f"{one['numerator']}/{one['denominator']}"
            effect = number(one["design_effect"])
            rows.append((NAMES[name], share, *(between(one[k], 1, 100.0) for k in ("wilson", "bootstrap")), effect))
        for name, key in (("positive likelihood ratio", "lr_positive"), ("negative likelihood ratio", "lr_negative")):
            rows.append((name, "", between(call[key]), between(call[key + "_bootstrap"]), ""))
        cells = between(method["area"]), between(method["area_bootstrap"])
        rows.append(("area under the curve", "", *cells, ""))
        if method["best_cutoff"] is not None:
            best = method["best_cutoff"]
            there = f"{100 * best['sensitivity']:.1f} % and {100 * best['specificity']:.1f} %"
            rows.append(("best cut-off (Youden), found here", number(best["cutoff"], 3), there, "", ""))
    note = (
        "Per cent where a share of rows is given. First interval: Wilson's, rows counted as many as they are worth "
        "(design effect), of ratios the patient jackknife, of the area Obuchowski's; second: patient bootstrap. A best "
        "cut-off found on the rows it is judged on flatters the method."
    )
    heads = ("", "rows", "95 % interval", "95 % by bootstrap", "design effect")
    return Sheet(f"accuracy_{by.replace(' ', '_')}", f"Diagnostic accuracy {by}", heads, tuple(rows), note)


def _intention(methods: list[dict[str, Any]], by: str) -> Sheet:
    rows = []
    for method in methods:
        for one in method["intention"]:
            shares = (
                one["diagnosis"]["proportions"][name]["wilson"] for name in ("accuracy", "sensitivity", "specificity")
            )
            cells = (between(share, 1, 100.0) for share in shares)
            rows.append((method["name"], f"as {one['taken_as']}", str(one["rows"]), *cells, between(one["area"])))
    heads = ("method", "not evaluable taken", "rows", "accuracy %", "sensitivity %", "specificity %", "area")
    note = "Every row with the wire's value counts, also those without the method's."
    title = f"Intention to diagnose {by}"
    return Sheet(f"intention_{by.replace(' ', '_')}", title, heads, tuple(rows), note)


def _comparison(found: dict[str, Any], by: str) -> Sheet:
    rows: list[Row] = []
    for one in found["differences"]:
        verdict = {None: "-", True: "yes", False: "not shown"}[one["non_inferior"]]
        cells = between(one["difference"], 1, 100.0), p_value(one["clustered_p"]), p_value(one["mcnemar_p"])
        discordant = f"{one['only_first']} / {one['only_second']} of {one['rows']}"
        rows.append((NAMES[one["name"]] + ", points", *cells, discordant, verdict))
    area = found["area"]
    rows.append(
        ("area under the curve", between(area["difference"], 3), p_value(area["p"]), p_value(area["delong_p"]), "", "-")
    )
    margin = found["differences"][0]["margin"]
    asked = "non-inferior" if margin is None else f"non-inferior by {100 * margin:g} points"
    heads = ("", "difference (95 %)", "p, patients whole", "p, rows independent", "right alone", asked)
    title = f"{found['first']} against {found['second']} {by}"
    note = (
        f"{found['rows']} rows of {found['patients']} patients with all three values. Differences {found['first']} "
        f"less {found['second']}: Tango's interval; Obuchowski's tests; McNemar's exact test and DeLong's, which take "
        "rows as independent. Non-inferior: the interval's lower end lies above minus the margin."
    )
    return Sheet(f"comparison_{by.replace(' ', '_')}", title, heads, tuple(rows), note)


def _reclassification(found: dict[str, Any], by: str) -> Sheet:
    one = found["reclassification"]
    rows = (
        ("abnormal by the wire", str(one["abnormal_up"]), str(one["abnormal_down"]), between(one["abnormal"], 3)),
        ("normal by the wire", str(one["normal_up"]), str(one["normal_down"]), between(one["normal"], 3)),
        ("net reclassification improvement", "", "", between(one["total"], 3)),
    )
    title = f"Reclassification by {found['first']} in place of {found['second']}, {by}"
    heads = ("", "moved to abnormal", "moved to normal", "net share right (95 %)")
    return Sheet(f"reclassification_{by.replace(' ', '_')}", title, heads, rows)


def _bands(method: dict[str, Any], by: str, wire_sd: list[float]) -> Sheet:
    rows = []
    for band in method["bands"]:
        one = band["accuracy"]
        expected = (
            " to ".join(number(100.0 * value, 1) for value in sorted(values)) if None not in values else "-"
            for values in (band["ceiling"], band["second_wire"])
        )
        share = f"{one['numerator']}/{one['denominator']}"
        rows.append((band["label"], share, between(one["wilson"], 1, 100.0), *expected))
    heads = ("wire's value", "right", "accuracy % (95 %)", "of a perfect method %", "of a second wire %")
    spread = " and ".join(f"{value:g}" for value in wire_sd)
    note = f"What the wire's own repeatability (standard deviation {spread}) lets a method without error, or a second "
    note += "wire measurement, reach on these vessels."
    name = f"bands_{method['name']}_{by.replace(' ', '_')}"
    return Sheet(name, f"Accuracy of {method['name']} by FFR band, {by}", heads, tuple(rows), note)


def _subgroups(method: dict[str, Any], by: str) -> Sheet:
    rows: list[Row] = []
    for group in method["subgroups"]:
        label = "" if group["declared"] else " (not declared beforehand)"
        tests = group["interaction"]
        cells = []
        for measure in ("bias", "accuracy", "sensitivity", "specificity", "auc"):
            text = p_value(tests[measure]["p"])
            adjusted = group["adjusted"].get(measure)
            cells.append(f"p = {text}" + (f" (Holm {p_value(adjusted)})" if adjusted is not None else ""))
        unknown = f"{group['unknown']} not known" if group["unknown"] else ""
        rows.append((group["name"] + label + ": interaction", unknown, *cells))
        for level in group["levels"]:
            shares = (
                level["diagnosis"]["proportions"][name]["wilson"] for name in ("accuracy", "sensitivity", "specificity")
            )
            bias = "-" if level["agreement"] is None else between(level["agreement"]["bias"], 3)
            rows.append(
                (
                    level["name"],
                    f"{level['rows']} ({level['patients']})",
                    bias,
                    *(between(share, 1, 100.0) for share in shares),
                    between(level["area"]),
                )
            )
    heads = ("subgroup", "rows (patients)", "bias", "accuracy %", "sensitivity %", "specificity %", "area")
    note = (
        "p of interaction: whether all levels are the same (Wald's test, patients whole); Holm's adjustment is over "
        "the declared subgroups. What was not declared before the data were seen only suggests what to study next."
    )
    name = f"subgroups_{method['name']}_{by.replace(' ', '_')}"
    return Sheet(name, f"Subgroups, {method['name']} {by}", heads, tuple(rows), note)


def _published(told: dict[str, Any]) -> Sheet:
    if not told["published"]:
        return Sheet("published", "", (), ())
    rows = [_own_row(method, unit["unit"]) for unit in told["units"] for method in unit["methods"]]
    keys = (("accuracy", 1), ("sensitivity", 1), ("specificity", 1), ("auc", 2), ("r", 2), ("bias", 3), ("sd", 3))
    for trial in told["published"]:
        cells = []
        for key, digits in keys:
            figure = trial["figures"].get(key)
            mark = "" if figure is None or figure["confirmed"] else " *"
            cells.append("-" if figure is None else number(figure["value"], digits) + mark)
        size = " / ".join("-" if trial[key] is None else str(trial[key]) for key in ("patients", "vessels"))
        rows.append((trial["name"], size, *cells, "; ".join(text for text in (trial["source"], trial["note"]) if text)))
    heads = ("study", "patients / vessels", "accuracy %", "sensitivity %", "specificity %", "AUC", "r", "bias", "SD")
    note = (
        "* not confirmed in the primary source. Bias is method less FFR, or as printed. Cohorts differ in who was "
        "measured: accuracy depends on how many vessels lie near the cut-off, so figures beside each other are no "
        "comparison of methods."
    )
    return Sheet("published", "This cohort beside published trials", (*heads, "source"), tuple(rows), note)


def _own_row(method: dict[str, Any], unit: str) -> Row:
    shares = [
        method["diagnosis"]["proportions"][name]["wilson"]["value"]
        for name in ("accuracy", "sensitivity", "specificity")
    ]
    agreement = method["agreement"]
    last = [None, None] if agreement is None else [agreement["bias"]["value"], agreement["sd"]["value"]]
    cells = [number(None if share is None else 100.0 * share, 1) for share in shares]
    cells += [number(method["area"]["value"]), number(method["related"]["pearson"]["value"])]
    size = f"{method['patients']} / {method['rows'] if unit == 'vessel' else '-'}"
    return f"this cohort, {method['name']} by {unit}", size, *cells, *(number(value, 3) for value in last), "this table"

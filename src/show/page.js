"use strict";
(() => {
	const film = JSON.parse(document.getElementById("data").textContent);
	const at = (id) => document.getElementById(id);
	const steps = film.steps;
	const found = film.found;
	const foundAt = found ? steps.findIndex((step) => step.number === found.step) : -1;
	let current = -1;

	function element(name, text, className) {
		const made = document.createElement(name);
		if (text !== undefined) made.textContent = text;
		if (className) made.className = className;
		return made;
	}

	const list = at("steps");
	steps.forEach((step, index) => {
		const button = element("button");
		button.append(element("span", step.number > film.operations ? "end" : numbers(step), "number"), element("span", step.operation));
		if (step.outcome !== "done") button.append(element("span", step.outcome, "outcome"));
		if (index === foundAt || step.differs.length) button.classList.add("bad");
		button.addEventListener("click", () => show(index));
		const item = element("li");
		item.append(button);
		list.append(item);
	});

	function scenes(step) {
		const stage = at("scenes");
		stage.replaceChildren();
		stage.classList.toggle("two", step.scenes.length > 1);
		fade(false);
		for (const scene of step.scenes) {
			const figure = element("div");
			figure.dataset.caption = scene.caption;
			figure.innerHTML = scene.svg;
			figure.querySelectorAll(".vma, .anon").forEach((box) => {
				box.addEventListener("mouseenter", () => near(figure, box));
				box.addEventListener("mouseleave", () => fade(false));
			});
			stage.append(figure);
		}
	}

	function pages(step) {
		const panel = at("pages");
		panel.hidden = !step.pages;
		panel.innerHTML = step.pages || "";
		panel.querySelectorAll(".pages, .folio, .slot").forEach((box) => {
			box.addEventListener("mouseenter", () => nearPages(box));
			box.addEventListener("mouseleave", () => fade(false));
		});
	}

	function fade(on) {
		at("scenes").classList.toggle("faint", on);
		at("pages").classList.toggle("faint", on);
	}

	function forget() {
		document.querySelectorAll("#stage .near").forEach((old) => old.classList.remove("near"));
	}

	const isOf = (box, key) => box.dataset.keys.split(" ").includes(key);

	// Entries, folio or slot under the pointer, what names it or what it names, and the anon_vma of its mapping.
	function nearPages(box) {
		forget();
		box.classList.add("near");
		const boxes = [...at("pages").querySelectorAll("[data-keys]")];
		const mappings = new Set([box.dataset.mapping]);
		at("pages").querySelectorAll(".line").forEach((line) => {
			const { from, to } = line.dataset;
			if (!isOf(box, from) && !isOf(box, to)) return;
			line.classList.add("near");
			boxes.filter((other) => isOf(other, from) || isOf(other, to)).forEach((other) => {
				other.classList.add("near");
				mappings.add(other.dataset.mapping);
			});
		});
		at("scenes").querySelectorAll(".anon").forEach((anon) => anon.classList.toggle("near", mappings.has(anon.dataset.anon)));
		fade(true);
	}

	// A box under the pointer, its chain entries, and what they lead to, stand out.
	function near(figure, box) {
		const vma = box.dataset.vma, anon = box.dataset.anon;
		forget();
		box.classList.add("near");
		figure.querySelectorAll(".line").forEach((line) => {
			if (vma !== undefined ? line.dataset.vma !== vma : line.dataset.anon !== anon) return;
			line.classList.add("near");
			const other = vma !== undefined ? `.anon[data-anon="${line.dataset.anon}"]` : `.vma[data-vma="${line.dataset.vma}"]`;
			figure.querySelectorAll(other).forEach((there) => there.classList.add("near"));
		});
		if (anon !== undefined) at("pages").querySelectorAll(`[data-mapping="${anon}"]`).forEach((folio) => folio.classList.add("near"));
		fade(true);
	}

	// A column for each task, a row for each step.
	function together(step) {
		at("together").hidden = !step.together;
		if (!step.together) return;
		const { tasks, schedule } = step.together;
		at("together").querySelector("thead tr").replaceChildren(...tasks.map((task) => element("th", task)));
		at("together").querySelector("tbody").replaceChildren(...schedule.map(([task, text]) => {
			const row = element("tr");
			row.append(...tasks.map((_, column) => element("td", column === task ? text : "")));
			return row;
		}));
	}

	function numbers(step) {
		return step.together ? `${step.number - step.together.tasks.length + 1}–${step.number}` : step.number;
	}

	function differs(step) {
		at("differs").hidden = step.differs.length === 0;
		at("differs").querySelector("tbody").replaceChildren(...step.differs.map((field) => {
			const row = element("tr");
			row.append(...[field.object || "", field.field, field.reference, field.port].map((text) => element("td", text)));
			return row;
		}));
	}

	function finding(here) {
		at("events").hidden = !here || (found.events.length === 0 && !found.returned);
		at("violations").hidden = !here || found.violations.length === 0;
		if (!here) return;
		at("events").querySelector("h2").textContent = `${found.call || "the call"}: − the reference alone, + the port alone`;
		const lines = found.events.slice();
		if (found.returned) lines.push(["-", `returns ${found.returned[0]}`], ["+", `returns ${found.returned[1]}`]);
		at("events").querySelector("pre").replaceChildren(...lines.map(([sign, event]) =>
			element("span", `${sign} ${event}\n`, sign === "-" ? "minus" : sign === "+" ? "plus" : "")));
		at("violations").querySelector("ul").replaceChildren(...found.violations.map((text) => element("li", text)));
	}

	function show(index) {
		index = Math.max(0, Math.min(steps.length - 1, index));
		if (index === current) return;
		current = index;
		const step = steps[index];
		document.body.dataset.step = step.number;
		at("heading").textContent = `${film.kernel}: ${step.heading}`;
		at("slider").value = index;
		at("slider").setAttribute("aria-valuetext", step.heading);
		at("first").disabled = at("previous").disabled = index === 0;
		at("last").disabled = at("next").disabled = index === steps.length - 1;
		at("found").hidden = index !== foundAt;
		list.querySelectorAll("[aria-current]").forEach((old) => old.removeAttribute("aria-current"));
		const button = list.children[index].firstChild;
		button.setAttribute("aria-current", "step");
		button.scrollIntoView({ block: "nearest" });
		scenes(step);
		pages(step);
		together(step);
		differs(step);
		finding(index === foundAt);
		at("calls").hidden = step.calls.length === 0;
		at("calls").querySelector("ol").replaceChildren(...step.calls.map((call) => element("li", call)));
		history.replaceState(null, "", `#${step.number}`);
	}

	function fit(on) {
		at("fit").checked = on;
		at("scenes").classList.toggle("fit", on);
		at("pages").classList.toggle("fit", on);
	}

	const keys = {
		ArrowRight: () => show(current + 1), ArrowLeft: () => show(current - 1),
		PageDown: () => show(current + 10), PageUp: () => show(current - 10),
		Home: () => show(0), End: () => show(steps.length - 1),
		d: () => foundAt >= 0 && show(foundAt), f: () => fit(!at("fit").checked),
	};
	document.addEventListener("keydown", (event) => {
		if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
		keys[event.key]();
		event.preventDefault();
	});
	at("first").addEventListener("click", keys.Home);
	at("previous").addEventListener("click", keys.ArrowLeft);
	at("next").addEventListener("click", keys.ArrowRight);
	at("last").addEventListener("click", keys.End);
	at("jump").addEventListener("click", keys.d);
	at("fit").addEventListener("change", () => fit(at("fit").checked));
	at("slider").max = steps.length - 1;
	at("slider").addEventListener("input", () => show(Number(at("slider").value)));
	if (found) at("found").textContent = `${found.signature} — ${found.place}`;
	at("jump").hidden = foundAt < 0;

	const byHash = () => steps.findIndex((step) => `#${step.number}` === location.hash);
	window.addEventListener("hashchange", () => byHash() >= 0 && show(byHash()));
	fit(true);
	// Without a place asked for: what was found, else the last operation, at which everything still lives.
	const last = steps.findLastIndex((step) => step.number <= film.operations);
	show(byHash() >= 0 ? byHash() : foundAt >= 0 ? foundAt : Math.max(0, last));
})();

// Shows the runs of the sample and strategy that are picked; without it, all runs are shown.
const form = document.querySelector("form");
const runs = [...document.querySelectorAll("article")];
const show = () => {
  const picked = Object.fromEntries(new FormData(form));
  for (const run of runs) {
    const ofStrategy = picked.strategy === "" || run.dataset.strategy === picked.strategy;
    run.hidden = !(run.dataset.case === picked.case && ofStrategy);
  }
};
form.addEventListener("change", show);
form.hidden = false;
show();

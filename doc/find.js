// The contents show the names that have the text in them; Enter goes to the first.
const box = document.getElementById("find");
const names = [...document.querySelectorAll("nav li")];
box.addEventListener("input", () => {
  const text = box.value.trim().toLowerCase();
  for (const li of names) li.hidden = !li.textContent.toLowerCase().includes(text);
  for (const list of document.querySelectorAll("nav ul")) {
    const none = text && ![...list.children].some((li) => !li.hidden);
    list.hidden = none;
    list.previousElementSibling.hidden = none;
  }
});
box.addEventListener("keydown", (e) => {
  const first = names.find((li) => !li.hidden);
  if (e.key === "Enter" && first) location.hash = first.firstChild.hash;
});

"""Configuration files in the form that OpenStack's services read."""


def write_config(path, sections):
    """Writes {section: {key: value}}; a list of values repeats its key."""
    lines = []
    for section, keys in sections.items():
        lines.append(f"[{section}]")
        for key, value in keys.items():
            for one in value if isinstance(value, list) else [value]:
                lines.append(f"{key} = {one}")
        lines.append("")
    with open(path, "w", encoding="utf-8") as out:
        out.write("\n".join(lines))

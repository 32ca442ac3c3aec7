"""The quantities of a card's datasheet, one module each: from a card and a witness to numbers."""

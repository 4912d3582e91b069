"""Labels of racks, from what is called into them."""

"""What a head carries over: its output of one prompt put into another."""

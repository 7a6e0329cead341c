"""Making a network really smaller: plans over several layers, removal, proof, scales, export."""
